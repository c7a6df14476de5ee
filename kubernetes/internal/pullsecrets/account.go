package pullsecrets

import (
	"time"

	v1 "k8s.io/api/core/v1"
)

// Of is the pull secret that a service account has, and when its login is to be replaced; zero for one that is to be replaced now. Ok is false
// when it has none.
func Of(a *v1.ServiceAccount) (secret string, renew time.Time, ok bool) {
	name := secretName(a.Name)
	if a.Annotations[madeAnnotation] != name {
		return "", time.Time{}, false
	}
	renew, err := time.Parse(time.RFC3339, a.Annotations[RenewAnnotation])
	if err != nil {
		return name, time.Time{}, true
	}
	return name, renew, true
}
