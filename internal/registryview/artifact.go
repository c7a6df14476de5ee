package registryview

import (
	"strings"

	"github.com/dockit-registry/dockit/internal/registryclient"
)

// Kind is what something is that belongs to an image.
type Kind string

const (
	// Signature says who made the image. Nothing here verifies it.
	Signature Kind = "signature"
	// SBOM lists what is in the image.
	SBOM Kind = "SBOM"
	// Attestation says how the image came about, or what was found in it.
	Attestation Kind = "attestation"
	// Other is everything else.
	Other Kind = "artifact"
)

// kinds are what types of artifacts have in their names, the more special first.
var kinds = []struct {
	part string
	kind Kind
}{
	{"cosign.artifact.sbom", SBOM},
	{"cosign.artifact.att", Attestation},
	{"cosign.artifact.sig", Signature},
	{"cosign.simplesigning", Signature},
	{"cncf.notary.signature", Signature},
	{"notary.v2.signature", Signature},
	{"dsse.envelope", Attestation},
	{"in-toto", Attestation},
	{"attestation", Attestation},
	{"sarif", Attestation},
	{"spdx", SBOM},
	{"cyclonedx", SBOM},
	{"syft", SBOM},
	{"sbom", SBOM},
	{"signature", Signature},
}

// sigstoreBundle holds a signature, or an attestation that says what it is about.
const (
	sigstoreBundle  = "application/vnd.dev.sigstore.bundle"
	bundlePredicate = "dev.sigstore.bundle.predicateType"
	bundleContent   = "dev.sigstore.bundle.content"
	cosignSign      = "https://sigstore.dev/cosign/sign/v1"
)

// kindOf says what an artifact is, by its type and what it says of itself.
func kindOf(of registryclient.Descriptor) Kind {
	artifact := strings.ToLower(string(of.ArtifactType))
	if strings.HasPrefix(artifact, sigstoreBundle) {
		return bundleKind(of.Annotations)
	}
	for _, known := range kinds {
		if strings.Contains(artifact, known.part) {
			return known.kind
		}
	}
	return Other
}

func bundleKind(annotations registryclient.Annotations) Kind {
	predicate := strings.ToLower(string(annotations.Get(bundlePredicate)))
	switch {
	case strings.Contains(predicate, "spdx"), strings.Contains(predicate, "cyclonedx"):
		return SBOM
	case predicate == "" && annotations.Get(bundleContent) != "dsse-envelope", predicate == cosignSign:
		return Signature
	default:
		return Attestation
	}
}

// What BuildKit writes at a manifest in an index that attests to another one there.
const (
	referenceType   = "vnd.docker.reference.type"
	referenceDigest = "vnd.docker.reference.digest"
	attestationType = "attestation-manifest"
)

// attests reports whether a manifest of an index is an attestation to another one,
// and not an image.
func attests(one registryclient.Descriptor) bool {
	return one.Annotations.Get(referenceType) == attestationType
}

// cosigned are the endings of the tags under which cosign keeps what belongs to an
// image, at a registry that lists no referrers.
var cosigned = []struct {
	ending string
	kind   Kind
}{{".sig", Signature}, {".att", Attestation}, {".sbom", SBOM}}
