curl --silent --fail --header 'Metadata-Flavor: Google' \
    'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity?audience={{.Audience}}&format=full' |
    docker login {{.Host}} --username {{.Robot}} --password-stdin
