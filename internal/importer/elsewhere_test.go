package importer_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/importer"
	"github.com/dockit-registry/dockit/state"
)

const ldapConfig = `users: {"admin": {password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"}}
ldap_auth: {addr: "ldap.example.com:389", base: "dc=example,dc=org", filter: "(uid=${account})"}
acl:
  - {match: {account: "admin"}, actions: ["*"]}
  - {match: {account: "/.+/", name: "${account}/*"}, actions: ["*"]}
  - {match: {account: "/.+/"}, actions: ["pull"]}
`

func importText(t *testing.T, text string) *importer.Result {
	t.Helper()
	result, err := importer.DockerAuth(strings.NewReader(text), importer.DockerAuthOptions{})
	require.NoError(t, err)
	return result
}

func TestDockerAuthRulesForUsersOfLDAP(t *testing.T) {
	result := importText(t, ldapConfig)
	document, err := result.Document.Bytes(state.YAML)
	require.NoError(t, err)
	assert.Equal(t, `version: dockit/v1
users:
  - name: admin
    password_hash: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"
    permissions:
      - registry:catalog:*
      - repository:**:*
groups:
  - name: authenticated
    permissions:
      - repository:**:pull
      - repository:{username}/*:*
`, string(document))
	assert.Equal(t, "warning: line 2: ldap_auth: its users are not in this file and not carried over: add them to Dockit\n", findings(result))

	t.Run("no more for somebody who is named", func(t *testing.T) {
		const denied = "acl:\n  - {match: {account: mallory}, actions: []}\n"
		result := importText(t, strings.Replace(ldapConfig, "acl:\n", denied, 1))
		assert.Equal(t, []string{"user:admin registry:catalog:*", "user:admin repository:**:*"}, carried(result.Document))
		assert.Contains(t, findings(result), "rule 3: nothing is carried over for users who are not in this file (ldap_auth): what all who log in may do would be more than some who are named in this file had")
		assert.Contains(t, findings(result), "rule 4: nothing is carried over for users who are not in this file (ldap_auth)")
	})
	t.Run("some of the strangers", func(t *testing.T) {
		result := importText(t, strings.Replace(ldapConfig, `account: "/.+/"}, actions`, `account: "dev-*"}, actions`, 1))
		assert.Contains(t, findings(result), "warning: line 6: rule 3: not carried over for users who are not in this file (ldap_auth): its account is some of those who are not in this file: grant by hand what is meant: rbac grant REF 'repository:**:pull'")
	})
	t.Run("static users alone", func(t *testing.T) {
		lines := strings.SplitAfter(ldapConfig, "\n")
		result := importText(t, strings.Join(append(lines[:1:1], lines[2:]...), ""))
		assert.Contains(t, carried(result.Document), "group:authenticated repository:**:pull", "for users that are made later")
		assert.Empty(t, findings(result))
	})
}

func TestDockerAuthTellsUnknownSections(t *testing.T) {
	result := importText(t, "sql_auth: {dsn: x}\nacl_couchdb: {url: x}\nserver: {addr: x}\ntoken: {issuer: x}\n"+ldapConfig)
	told := findings(result)
	assert.Contains(t, told, "warning: line 1: sql_auth: this section is unknown and not carried over")
	assert.Contains(t, told, "warning: line 2: acl_couchdb: this section is unknown and not carried over")
	assert.NotContains(t, told, "server")
	assert.NotContains(t, told, "token")
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}

func TestDockerAuthIsFoundInOtherFiles(t *testing.T) {
	configMap := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: docker-auth}\ndata:\n  auth_config.yml: |\n" + indent(ldapConfig, "    ")
	for _, tc := range []struct{ name, text, where, line string }{
		{"ConfigMap", configMap, "data.auth_config.yml", "line 7: ldap_auth"},
		{"manifests", "kind: Service\nspec: {ports: [1]}\n---\n" + configMap, "data.auth_config.yml", "line 10: ldap_auth"},
		{"kubectl get", "kind: List\nitems:\n- metadata: {}\n  data:\n    a.yml: |-\n" + indent(ldapConfig, "      "), "items[0].data.a.yml", "line 7: ldap_auth"},
		{"Secret", "kind: Secret\ndata:\n  auth_config.yml: " + base64.StdEncoding.EncodeToString([]byte(ldapConfig)) + "\n", "data.auth_config.yml", "line 3: ldap_auth"},
		{"values of a chart", "replicas: 1\nusers: null\nconfigmap:\n  config:\n" + indent(ldapConfig, "    "), "configmap.config", "line 6: ldap_auth"},
		{"values of a chart, as text", "image: x\nconfig: |\n" + indent(ldapConfig, "  "), "config", "line 4: ldap_auth"},
		{"Compose", "configs:\n  auth:\n    content: |\n" + indent(ldapConfig, "      "), "configs.auth.content", "line 5: ldap_auth"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			result := importText(t, tc.text)
			assert.Contains(t, findings(result), "the configuration is read from "+tc.where+"\n")
			assert.Contains(t, findings(result), tc.line)
			assert.Equal(t, carried(importText(t, ldapConfig).Document), carried(result.Document))
		})
	}
	t.Run("several", func(t *testing.T) {
		_, err := importer.DockerAuth(strings.NewReader(configMap+"---\n"+configMap), importer.DockerAuthOptions{})
		require.ErrorIs(t, err, importer.ErrInvalid)
		assert.ErrorContains(t, err, "several configurations: data.auth_config.yml (line 6), data.auth_config.yml (line 18): save the one that is meant as a file of its own")
	})
	t.Run("template", func(t *testing.T) {
		_, err := importer.DockerAuth(strings.NewReader("data:\n  a: {{ .Values.config }}\n"), importer.DockerAuthOptions{})
		require.ErrorIs(t, err, importer.ErrInvalid)
		assert.ErrorContains(t, err, "helm template")
	})
}

func TestImportTellsDoubledDollars(t *testing.T) {
	const doubled = "$$2y$$05$$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"
	result, err := importer.HTPasswd(strings.NewReader("alice:" + doubled + "\n"))
	require.NoError(t, err)
	assert.Contains(t, findings(result), "its dollars are doubled, as Compose files have them: write each $ once, and import again")
	result = importText(t, "users: {alice: {password: \""+doubled+"\"}}\nacl: [{match: {account: alice, name: \"$${account}/*\"}, actions: [pull]}]\n")
	assert.Contains(t, findings(result), "user \"alice\": carried over without a password: its dollars are doubled")
	assert.Contains(t, findings(result), "rule 1: not carried over for alice: its dollars are doubled")
	assert.Equal(t, []string{}, carried(result.Document))
}
