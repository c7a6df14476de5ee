package audit

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Checkpoint says that the chain was cut: the entries up to one are not there
// any more because they were older than the audit is kept.
type Checkpoint struct {
	// Number counts the checkpoints from 1.
	Number int64 `json:"number"`
	// Sequence and Hash are those of the last entry that was cut, and Until is
	// when that was made.
	Sequence int64     `json:"sequence"`
	Hash     string    `json:"hash"`
	Until    time.Time `json:"until"`
	// Removed is how many entries were cut since the checkpoint before. None:
	// the checkpoint only signs the one before anew, for another authority.
	Removed int64 `json:"removed"`
	// At is when the checkpoint was made.
	At time.Time `json:"at"`
	// Previous is the [Statement.Digest] of the checkpoint before, empty for the
	// first.
	Previous string `json:"previous"`
	// Certificates are in DER: that of the key that signed, and the one of its
	// authority.
	Certificates [][]byte `json:"certificates"`
}

// Statement is a signed [Checkpoint]: a JWS in its compact form.
type Statement string

// checkpointType keeps a checkpoint and anything else that is signed with the
// same keys apart.
const checkpointType = "dockit-audit-checkpoint"

var checkpointAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.EdDSA}

// ErrCheckpoint is returned for a checkpoint that is missing, moved, or not
// signed by whom it has to be.
var ErrCheckpoint = errors.New("the checkpoint does not hold")

// Sign signs the checkpoint with the key of its first certificate. The algorithm
// is the JWS name of one of its signatures, such as ES256.
func (c Checkpoint) Sign(key crypto.Signer, algorithm string) (Statement, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write a checkpoint: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: key}, (&jose.SignerOptions{}).WithType(checkpointType))
	if err != nil {
		return "", fmt.Errorf("sign a checkpoint: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a checkpoint: %w", err)
	}
	text, err := signed.CompactSerialize()
	return Statement(text), err
}

// Digest names the statement in the checkpoint after it.
func (s Statement) Digest() string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Read returns what the statement says, whichever key signed it: to trust it, use
// [Statement.Verify]. It returns [ErrCheckpoint] for what is no statement.
func (s Statement) Read() (Checkpoint, error) {
	c, _, err := s.read()
	return c, err
}

func (s Statement) read() (Checkpoint, *jose.JSONWebSignature, error) {
	var c Checkpoint
	signed, err := jose.ParseSignedCompact(string(s), checkpointAlgorithms)
	if err != nil || signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType] != checkpointType {
		return c, nil, fmt.Errorf("%w: it is no statement about an audit", ErrCheckpoint)
	}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &c); err != nil || len(c.Certificates) == 0 {
		return c, nil, fmt.Errorf("%w: its content cannot be read", ErrCheckpoint)
	}
	return c, signed, nil
}

// Verify checks that the statement was signed by a key of its time under a
// certificate that is trusted, by its SHA-256 fingerprint in hexadecimal. It
// returns [ErrCheckpoint] otherwise.
func (s Statement) Verify(trusted []string) (Checkpoint, error) {
	c, signed, err := s.read()
	if err != nil {
		return Checkpoint{}, err
	}
	fail := func(why string) (Checkpoint, error) {
		return Checkpoint{}, fmt.Errorf("%w: number %d %s", ErrCheckpoint, c.Number, why)
	}
	var certs []*x509.Certificate
	for _, der := range c.Certificates {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fail("holds no certificate where one should be")
		}
		certs = append(certs, cert)
	}
	if _, err := signed.Verify(certs[0].PublicKey); err != nil {
		return fail("is not signed by the key that it names")
	}
	const skew = 5 * time.Minute
	for i, cert := range certs {
		if c.At.Before(cert.NotBefore.Add(-skew)) || c.At.After(cert.NotAfter.Add(skew)) {
			return fail("was signed when its certificate was not valid")
		}
		if i > 0 && certs[i-1].CheckSignatureFrom(cert) != nil {
			return fail("names an authority that did not issue its certificate")
		}
		if slices.Contains(trusted, Fingerprint(cert.Raw)) {
			return c, nil
		}
	}
	return fail("is signed under an authority that is not trusted")
}

// Fingerprint is the SHA-256 of a certificate in DER, in hexadecimal.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Checkpoints follows all checkpoints of a chain from the first. Each names the
// one before, so that a signature on the last vouches for all. It is for one
// goroutine.
type Checkpoints struct {
	last      Checkpoint
	statement Statement
	// cut are the last entries that were cut.
	cut []Head
}

// Next takes the next checkpoint. It returns [ErrCheckpoint] for one that does
// not follow.
func (c *Checkpoints) Next(s Statement) error {
	next, err := s.Read()
	if err != nil {
		return err
	}
	previous := ""
	if c.statement != "" {
		previous = c.statement.Digest()
	}
	moved := next.Removed < 0 || next.Removed != next.Sequence-c.last.Sequence || next.Removed == 0 && next.Hash != c.last.Hash
	if next.Number != c.last.Number+1 || next.Previous != previous || moved {
		return fmt.Errorf("%w: number %d does not follow number %d", ErrCheckpoint, next.Number, c.last.Number)
	}
	c.last, c.statement, c.cut = next, s, append(c.cut, Head{next.Sequence, next.Hash})
	return nil
}

// Last returns the newest checkpoint and its statement, which is empty when the
// chain was never cut.
func (c *Checkpoints) Last() (Checkpoint, Statement) { return c.last, c.statement }

// Count is how many checkpoints were taken.
func (c *Checkpoints) Count() int { return len(c.cut) }

// Chain is for the entries after the last checkpoint: what is left of the chain.
func (c *Checkpoints) Chain() Chain { return After(Head{c.last.Sequence, c.last.Hash}) }

// Cut reports whether an entry that was written down elsewhere was cut since. It
// returns [ErrAltered] for one that was not where the chain was cut.
func (c *Checkpoints) Cut(known Head) (bool, error) {
	if known.Sequence == 0 || known.Sequence > c.last.Sequence {
		return false, nil
	}
	for _, cut := range c.cut {
		if cut.Sequence == known.Sequence && cut.Hash != known.Hash {
			return true, fmt.Errorf("%w: %d is not the entry that was there", ErrAltered, known.Sequence)
		}
	}
	return true, nil
}
