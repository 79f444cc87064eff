{{- define "pbt-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for what is appended to it. */}}
{{- define "pbt-operator.fullname" -}}
{{- $name := include "pbt-operator.name" . }}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $both .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "pbt-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "pbt-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: name the existing service account, or set serviceAccount.create" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "pbt-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a Service and a NetworkPolicy find all pods of the release by. */}}
{{- define "pbt-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pbt-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pbt-operator.labels" -}}
{{- $own := dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- merge (include "pbt-operator.selectorLabels" . | fromYaml) $own .Values.commonLabels | toYaml }}
{{- end }}

{{/* Without versions, so that an upgrade that changes nothing else doesn't restart the operator. */}}
{{- define "pbt-operator.podLabels" -}}
{{- $context := index . 0 }}
{{- $own := include "pbt-operator.selectorLabels" $context | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/component" (index . 1) }}
{{- merge $own $context.Values.podLabels $context.Values.commonLabels | toYaml }}
{{- end }}

{{/* Rules across values, which a schema can't say or can't say clearly. */}}
{{- define "pbt-operator.check" -}}
{{- if not .Values.stores }}
{{- fail "stores: name at least one bucket, for example --set 'stores[0].name=default,stores[0].bucket=experiments'" }}
{{- end }}
{{- $names := list }}
{{- range .Values.stores }}
{{- if has .name $names }}
{{- fail (printf "stores: there are two of the name %q; a Population could not tell them apart" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- range $index, $store := .Values.stores }}
{{- $folder := ternary (printf "%s/" $store.prefix) "" (not (empty $store.prefix)) }}
{{- range $other := slice $.Values.stores 0 $index }}
{{- $same := and (eq $store.bucket $other.bucket) (eq (default "" $store.endpoint | trimSuffix "/") (default "" $other.endpoint | trimSuffix "/")) }}
{{- $outer := ternary (printf "%s/" $other.prefix) "" (not (empty $other.prefix)) }}
{{- if and $same (or (hasPrefix $folder $outer) (hasPrefix $outer $folder)) }}
{{- fail (printf "stores: %s and %s lie in one bucket, and one prefix begins with the other; give each its own" $other.name $store.name) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.watch }}
{{- if and (eq .scope "Namespaces") (not .namespaces) }}
{{- fail "watch.namespaces: watch.scope is Namespaces; list at least one" }}
{{- end }}
{{- if and (ne .scope "Namespaces") .namespaces }}
{{- fail (printf "watch.namespaces: watch.scope is %s, which takes no list; set watch.scope to Namespaces" .scope) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The namespaces that are watched, as a JSON list; empty: all. */}}
{{- define "pbt-operator.namespaces" -}}
{{- if eq .Values.watch.scope "Release" }}
{{- list .Release.Namespace | toJson }}
{{- else }}
{{- .Values.watch.namespaces | toJson }}
{{- end }}
{{- end }}

{{- define "pbt-operator.config" -}}
{{- $stores := list }}
{{- range $given := .Values.stores }}
{{- $store := dict }}
{{- range list "name" "bucket" "prefix" "endpoint" "region" "pathStyle" "checksums" }}
{{- $key := . }}
{{- with get $given $key }}{{ $_ := set $store $key . }}{{ end }}
{{- end }}
{{- if $given.credentialsSecretRef }}
{{- $_ := set $store "credentials" (printf "/etc/pbt-operator/stores/%s/credentials" $given.name) }}
{{- end }}
{{- if $given.caBundleConfigMapRef }}
{{- $_ := set $store "caBundle" (printf "/etc/pbt-operator/stores/%s/ca/ca.crt" $given.name) }}
{{- end }}
{{- $stores = append $stores $store }}
{{- end }}
{{- dict
  "namespaces" (include "pbt-operator.namespaces" . | fromJsonArray)
  "stores" $stores
  "pollSeconds" .Values.pollSeconds
  "workers" .Values.workers
  "namespaceMegabytes" .Values.namespaceMegabytes
  "port" 8080
  "readEvents" .Values.readEvents
  "logFormat" .Values.logFormat
  | toYaml }}
{{- if eq (int .Values.replicas) 2 }}
{{ dict "lease" (dict "namespace" .Release.Namespace "name" (include "pbt-operator.fullname" .) "seconds" .Values.lease.seconds) | toYaml }}
{{- end }}
{{- end }}

{{/* The fields that every pod of the chart has. */}}
{{- define "pbt-operator.pod" -}}
serviceAccountName: {{ include "pbt-operator.serviceAccountName" . | toYaml }}
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ toYaml . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The fields that every container of the chart has. */}}
{{- define "pbt-operator.container" -}}
image: {{ include "pbt-operator.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
terminationMessagePolicy: FallbackToLogsOnError
{{- end }}

{{- define "pbt-operator.ownMounts" -}}
- name: config
  mountPath: /etc/pbt-operator
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end }}

{{/* What a container has besides where it talks to the stores. */}}
{{- define "pbt-operator.mounts" -}}
{{- with .Values.extraEnvFrom -}}
envFrom:
  {{- toYaml . | nindent 2 }}
{{ end -}}
volumeMounts:
  {{- include "pbt-operator.ownMounts" . | nindent 2 }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* How the operators spread: two on one node would fall with it. */}}
{{- define "pbt-operator.spread" -}}
{{- if .Values.topologySpreadConstraints }}
{{- toYaml .Values.topologySpreadConstraints }}
{{- else if eq (int .Values.replicas) 2 -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "pbt-operator.selectorLabels" . | nindent 6 }}
      app.kubernetes.io/component: operator
{{- end }}
{{- end }}

{{/* One volume for the config and what it names: a mount can't lie inside another read-only one. */}}
{{- define "pbt-operator.volumes" -}}
- name: config
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "pbt-operator.fullname" . }}
      {{- range .Values.stores }}
      {{- $folder := printf "stores/%s" .name }}
      {{- with .credentialsSecretRef }}
      - secret:
          name: {{ toYaml .name }}
          items:
            - key: AWS_ACCESS_KEY_ID
              path: {{ $folder }}/credentials/AWS_ACCESS_KEY_ID
            - key: AWS_SECRET_ACCESS_KEY
              path: {{ $folder }}/credentials/AWS_SECRET_ACCESS_KEY
      - secret:
          name: {{ toYaml .name }}
          optional: true
          items:
            - key: AWS_SESSION_TOKEN
              path: {{ $folder }}/credentials/AWS_SESSION_TOKEN
      {{- end }}
      {{- with .caBundleConfigMapRef }}
      - configMap:
          name: {{ toYaml .name }}
          items:
            - key: {{ default "ca.crt" .key | toYaml }}
              path: {{ $folder }}/ca/ca.crt
      {{- end }}
      {{- end }}
{{ include "pbt-operator.scratch" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "pbt-operator.scratch" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end }}

{{/* Whether the admission policies are rendered: where they are wanted, for the whole cluster, and where it has them. */}}
{{- define "pbt-operator.admissionPolicy" -}}
{{- $listed := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" }}
{{- $known := or $listed (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) }}
{{- and .Values.admissionPolicy.enabled (eq .Values.watch.scope "Cluster") $known }}
{{- end }}

{{/* Whether the alerts are rendered: where they are wanted, and where the cluster has a kind for them or it is forced. */}}
{{- define "pbt-operator.prometheusRule" -}}
{{- $known := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/PrometheusRule" }}
{{- and .Values.prometheusRule.enabled (or $known .Values.prometheusRule.force) }}
{{- end }}

{{/* What the operator may do in a namespace that it watches. */}}
{{- define "pbt-operator.rules" -}}
- apiGroups: [pbt.dev]
  resources: [populations]
  verbs: [list, watch, patch, delete]
- apiGroups: [pbt.dev]
  resources: [populations/status]
  verbs: [patch]
- apiGroups: [pbt.dev]
  resources: [populations/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create{{ if .Values.readEvents }}, list{{ end }}]
{{- end }}
