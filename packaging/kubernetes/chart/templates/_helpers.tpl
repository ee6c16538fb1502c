{{- define "castoff.name" -}}
{{- if contains "castoff" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-castoff" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "castoff.selector" -}}
app.kubernetes.io/name: castoff
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "castoff.labels" -}}
{{ include "castoff.selector" . }}
app.kubernetes.io/part-of: castoff
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "castoff.annotations" -}}
kubectl.kubernetes.io/default-container: agent
checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum | quote }}
{{- if not (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) }}
container.apparmor.security.beta.kubernetes.io/load-probes: unconfined
container.apparmor.security.beta.kubernetes.io/agent: unconfined
{{- end }}
{{- end }}

{{- define "castoff.image" -}}
{{- if .Values.image.digest }}{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}{{ else }}{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}{{ end }}
{{- end }}

{{- define "castoff.toml" -}}
{{- if .Values.debug.enabled -}}
[agent]
log_level = "debug"

{{ end -}}
[identity]
# Bundles, engines' state and sockets are the host's.
host_root = "/proc/1/root"

[socket]
# Commands run in the pod, as root. The pod may not give files away.
group = "root"

[sources]
audit = {{ .Values.audit.enabled | ternary "netlink" "off" | quote }}
{{ end }}
