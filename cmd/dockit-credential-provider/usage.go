package main

// usage is what --help writes.
const usage = `dockit-credential-provider is an image credential provider of the kubelet: pods pull
from a registry that Dockit protects by the token of their service account, and no
secret is stored in the cluster. The kubelet runs it (Kubernetes 1.34 or newer), with
the request on standard input.

Usage:
  dockit-credential-provider --registry HOST [flags]

Flags:
  --registry HOST       a registry that tokens may be for, with its port if images name
                        it; may be repeated. No token goes to another one, whatever
                        matchImages says
  --server URL          where Dockit is (default https://HOST)
  --service NAME        what the registry is called at Dockit, which it has as
                        REGISTRY_AUTH_TOKEN_SERVICE (default: the registry is asked)
  --mode exchange|echo  exchange: Dockit gives a login for the token, which opens nothing
                        but registries; when it does not answer within 2 seconds, as echo.
                        echo: the token itself is the password (default exchange)
  --keep FOLDER         where logins are kept for other pods of the same service account,
                        for its owner alone; off: nowhere
                        (default /run/dockit-credential-provider)
  --ca-file FILE        authorities that may vouch for Dockit and the registry, in PEM,
                        beside those of the system
  --version, --help

A service account chooses a robot by the annotation dockit.dev/robot; without it, its
pods are the robot that the token stands for.

Example, for --image-credential-provider-config of the kubelet:
  apiVersion: kubelet.config.k8s.io/v1
  kind: CredentialProviderConfig
  providers:
    - name: dockit-credential-provider
      apiVersion: credentialprovider.kubelet.k8s.io/v1
      matchImages: [registry.example.com]
      defaultCacheDuration: 0s
      args: [--registry=registry.example.com]
      tokenAttributes:
        serviceAccountTokenAudience: https://registry.example.com
        cacheType: Token
        requireServiceAccount: true
        optionalServiceAccountAnnotationKeys: [dockit.dev/robot]
`
