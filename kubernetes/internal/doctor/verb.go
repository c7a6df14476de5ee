package doctor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// verbManifest is what lets kubelets ask for tokens with an audience. It has names of its own for each audience: with the names of another one
// it would take that one's place, and pulls from the registry of that would end.
func verbManifest(audience string) string {
	return fmt.Sprintf(`kubectl apply -f - <<EOF
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s}
rules:
  - {apiGroups: [""], resources: [%[2]q], verbs: [%[3]s]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:nodes"}]
EOF`, verbName(audience), audience, verb)
}

// verbName is the name of a role for an audience, a DNS subdomain as RFC 1123 has it. Where the audience is none, or too long, what is left of it
// is followed by a hash of the whole.
func verbName(audience string) string {
	const prefix, most, digits = "dockit-pulls-", 63, 8
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.TrimPrefix(audience, "https://"))
	name = strings.Trim(name[:min(len(name), most-len(prefix)-digits-1)], "-")
	if name == audience {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(audience))
	return prefix + strings.TrimLeft(name+"-"+hex.EncodeToString(sum[:])[:digits], "-")
}
