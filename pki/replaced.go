package pki

// Replaced is a key that another one took over from.
type Replaced struct {
	Purpose Purpose
	// Service is the one that had the key to itself, or empty.
	Service string
	// KeyID is that of the key that was replaced.
	KeyID string
	// Brought is set for a key of the pki file, which changed.
	Brought bool
}

// replaced is the certificate that the file held before.
func (b *broughtHistory) replaced() Replaced {
	former := b.before[0].cert
	id, _ := thumbprint(former.PublicKey) // only keys that have one are loaded
	purpose := Shared
	if former.IsCA {
		purpose = Authority
	}
	return Replaced{Purpose: purpose, KeyID: id, Brought: true}
}
