// Package credentialprovider is an image credential provider of the kubelet
// (credentialprovider.kubelet.k8s.io/v1): for the token of a pod's service account it
// gets a login to a registry that Dockit protects.
//
// It has structs of its own instead of those of k8s.io/kubelet, whose machinery would
// make a small program large.
package credentialprovider
