{{- define "dockit.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "dockit.selector" -}}
app.kubernetes.io/name: dockit
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dockit.labels" -}}
{{ include "dockit.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "dockit.image" -}}
{{ include "dockit.imageOf" (list . .Values.image) }}
{{- end }}

{{/* An image of values: a digest wins over a tag, and a tag over the version of the application. */}}
{{- define "dockit.imageOf" -}}
{{- $image := last . }}{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default (first .).Chart.AppVersion }}{{ end }}
{{- end }}

{{/*
Whether Dockit reads the keys of the cluster from its API server, with the token of its service account and by the cluster's authority.
That token opens the API server: it goes to addresses of services alone unless cluster.bearer says otherwise.
*/}}
{{- define "dockit.readsFromAPIServer" -}}
{{- with .Values.cluster }}
{{- if and .trust (or (eq .bearer "always") (and (eq .bearer "auto") (regexMatch "^https://[^/:]+\\.svc(\\.cluster\\.local)?(:[0-9]+)?(/|$)" .issuerURL))) }}true{{ end }}
{{- end }}
{{- end }}

{{- define "dockit.url" -}}
http://{{ include "dockit.name" . }}:{{ .Values.service.port }}
{{- end }}

{{- define "dockit.secret" -}}
{{ include "dockit.name" . }}
{{- end }}

{{/* What every pod has: Pod Security "restricted". */}}
{{- define "dockit.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "dockit.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/*
What keeps pull secrets may do: with names of service accounts it gets the tokens of these alone, and reads and writes the secrets that are
called after them alone. It writes by server-side apply, for which a name bounds the verb create too.
*/}}
{{- define "dockit.pullSecretsRules" -}}
- {apiGroups: [""], resources: [serviceaccounts], verbs: [list, watch]}
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, patch]
  {{- with .Values.pullSecrets.serviceAccounts }}
  resourceNames: {{- toYaml . | nindent 4 }}
  {{- end }}
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
  {{- with .Values.pullSecrets.serviceAccounts }}
  resourceNames: {{- toYaml . | nindent 4 }}
  {{- end }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
  {{- with .Values.pullSecrets.serviceAccounts }}
  resourceNames:
    {{- range . }}
    - dockit-pull-{{ . }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* Where pods run, but for those of the credential provider, which is on nodes of its own choice. */}}
{{- define "dockit.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What does not fit together is said before anything is made. */}}
{{- define "dockit.check" -}}
{{- if not .Values.enabled }}
{{- if and .Values.pullSecrets.enabled (not .Values.pullSecrets.server) }}
{{- fail "enabled is false: name the Dockit that is elsewhere with pullSecrets.server" }}
{{- end }}
{{- if or .Values.cluster.trust .Values.state .Values.registry.enabled .Values.ingress.enabled .Values.httpRoute.enabled }}
{{- fail "enabled is false, and cluster.trust, state, registry, ingress and httpRoute are of Dockit: leave them out, and trust the cluster with dockit-kubernetes trust" }}
{{- end }}
{{- end }}
{{- with .Values.pullSecrets.ca }}
{{- if and .configMap .secret }}
{{- fail "pullSecrets.ca: name a config map or a secret, not both" }}
{{- end }}
{{- if and (or .configMap .secret) (not (hasPrefix "https://" $.Values.pullSecrets.server)) }}
{{- fail "pullSecrets.ca is of no use without https: name Dockit's address with pullSecrets.server, https://…" }}
{{- end }}
{{- end }}
{{- with .Values.pullSecrets.metrics | default dict }}
{{- $monitored := (.podMonitor | default dict).enabled }}
{{- $ruled := (.rules | default dict).enabled }}
{{- if and $ruled (not $monitored) }}
{{- fail "pullSecrets.metrics.rules.enabled needs pullSecrets.metrics.podMonitor.enabled: the alerts say that nothing works where nothing is read" }}
{{- end }}
{{- if and $monitored (not $.Values.pullSecrets.enabled) }}
{{- fail "pullSecrets.metrics is of the controller: set pullSecrets.enabled" }}
{{- end }}
{{- end }}
{{- if and (not .Values.metrics.enabled) (or .Values.metrics.serviceMonitor.enabled .Values.metrics.rules.enabled) }}
{{- fail "metrics.serviceMonitor and metrics.rules need metrics.enabled: there is nothing to read" }}
{{- end }}
{{- range $host, $_ := .Values.pullSecrets.services }}
{{- if not (has $host $.Values.pullSecrets.registries) }}
{{- fail (printf "pullSecrets.services: %s is none of pullSecrets.registries" $host) }}
{{- end }}
{{- end }}
{{- $values := dict "DOCKIT_LISTEN" "service.port" "DOCKIT_SERVICE" "services" "DOCKIT_ISSUER" "issuer" "DOCKIT_SQL_DIALECT" "database.dialect" "DOCKIT_SQL_DSN" "database" "DOCKIT_SQL_DSN_FILE" "database.existingSecret" "DOCKIT_PKI_ENCRYPTION_KEY_FILE" "encryptionKey" "DOCKIT_ROOT_USER" "rootUser.name" "DOCKIT_ROOT_PASSWORD_FILE" "rootUser.existingSecret" "DOCKIT_METRICS_LISTEN" "metrics" "DOCKIT_TRUSTED_PROXIES" "trustedProxies" }}
{{- range $name, $_ := .Values.settings }}
{{- if hasKey $values $name }}
{{- fail (printf "settings: the chart sets %s: use %s" $name (get $values $name)) }}
{{- end }}
{{- end }}
{{- if and .Values.credentialProvider.enabled (gt (len .Values.credentialProvider.registries) 1) (not .Values.credentialProvider.server) }}
{{- fail "credentialProvider.registries has several: say with credentialProvider.server which Dockit is asked for all of them" }}
{{- end }}
{{- if and .Values.certificate.enabled (not .Values.ingress.enabled) (not .Values.httpRoute.enabled) }}
{{- fail "certificate.enabled needs ingress.enabled or httpRoute.enabled: for which host is it?" }}
{{- end }}
{{- if and (eq .Values.database.dialect "sqlite") (or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled) }}
{{- fail "database.dialect is sqlite, which belongs to one replica: set replicas to 1 and autoscaling.enabled to false, or use mysql" }}
{{- end }}
{{- if and (eq .Values.database.dialect "mysql") (not .Values.database.existingSecret) }}
{{- fail "database.dialect is mysql: name the secret that holds the data source name with database.existingSecret" }}
{{- end }}
{{- if and .Values.cluster.namespaces.enabled (not .Values.cluster.trust) }}
{{- fail "cluster.namespaces.enabled needs cluster.trust: the tokens of namespaces are those of the cluster" }}
{{- end }}
{{- if and .Values.credentialProvider.enabled (not (has .Values.credentialProvider.audience .Values.kubeletAudiences)) }}
{{- fail "credentialProvider.enabled: kubelets may ask for tokens with credentialProvider.audience only when kubeletAudiences lists it" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: which gateway is it?" }}
{{- end }}
{{- end }}
