// Package pullsecrets keeps pull secrets of service accounts fresh, for clusters whose kubelets cannot run the
// credential provider. A secret holds a login of Dockit's that ends within hours, and no user's password.
package pullsecrets
