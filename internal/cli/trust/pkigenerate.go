package trust

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/atomicfile"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/pki"
)

// pkiGenerate holds the flags of pki-generate.
type pkiGenerate struct {
	keyType             string
	ecSize, rsaSize     int
	years, months, days int
	subject             string
	names               []string
	authority           bool
	keyFile, certFile   string
	force               bool
}

// backdate is how far in the past a new certificate starts to be valid: the
// clocks of those who check it differ.
const backdate = 10 * time.Minute

// NewPKIGenerateCommand makes the command pki-generate.
func NewPKIGenerateCommand() *cobra.Command {
	var o pkiGenerate
	cmd := &cobra.Command{
		Use:   "pki-generate [FILE]",
		Short: "Make a private key and its certificate",
		Long: `Make a private key and its self-signed certificate, to be given to a server
with --pki-file. Without a file both are printed on standard output.

FILE gets both. With --key-file and --certificate-file they go into one file
each. Files with a private key can be read by their owner alone.

A certificate signs tokens itself, and registries trust it until it expires.
With --ca it is a certificate authority instead, under which Dockit makes
signing keys of its own and replaces them, while registries keep running. It
must not sign anything else: whatever it signs opens the registries.`,
		Example: `  dockit pki-generate --ca --years 10 /run/secrets/dockit.pem
  dockit pki-generate --key-type rsa --rsa-key-size 3072 --key-file tls.key --certificate-file tls.crt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, args, time.Now())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.keyType, "key-type", "ec", "algorithm of the key: ec, rsa or ed25519 (which registry 2.8 does not know)")
	flags.IntVar(&o.ecSize, "ec-key-size", 256, "size of an ec key: 256, 384 or 521")
	flags.IntVar(&o.rsaSize, "rsa-key-size", 2048, "size of an rsa key: 2048, 3072 or 4096")
	flags.IntVar(&o.years, "years", 0, "how long the certificate is valid, together with --months and --days (default 10 years)")
	flags.IntVar(&o.months, "months", 0, "months that the certificate is valid")
	flags.IntVar(&o.days, "days", 0, "days that the certificate is valid")
	flags.StringVar(&o.subject, "subject", "CN=dockit", `subject, such as "CN=dockit,O=Example"`)
	flags.StringSliceVar(&o.names, "san", nil, "alternative name, a DNS name or an IP address (repeatable)")
	flags.BoolVar(&o.authority, "ca", false, "make a certificate authority for Dockit's signing keys")
	flags.StringVar(&o.keyFile, "key-file", "", "write the private key to this file")
	flags.StringVar(&o.certFile, "certificate-file", "", "write the certificate to this file")
	flags.BoolVar(&o.force, "force", false, "replace files that exist")
	return cmd
}

// Check finds flags that make no sense together.
func (o *pkiGenerate) check(file bool) error {
	switch {
	case file && (o.keyFile != "" || o.certFile != ""):
		return errors.New("name one FILE, or --key-file and --certificate-file")
	case (o.keyFile == "") != (o.certFile == ""):
		return errors.New("--key-file and --certificate-file go together")
	case o.keyFile != "" && o.keyFile == o.certFile:
		return errors.New("--key-file and --certificate-file are the same file: name it as FILE instead")
	case o.years < 0 || o.months < 0 || o.days < 0:
		return errors.New("--years, --months and --days cannot be negative")
	}
	return nil
}

func (o *pkiGenerate) run(cmd *cobra.Command, args []string, now time.Time) error {
	if err := o.check(len(args) == 1); err != nil {
		return cli.UsageError(err)
	}
	keyType, err := pki.KeyTypeOf(o.keyType, o.ecSize, o.rsaSize)
	if err != nil {
		return cli.UsageError(err)
	}
	subject, err := pki.ParseSubject(o.subject)
	if err != nil {
		return cli.UsageError(err)
	}
	key, certificate, err := pki.NewPair(pki.PairRequest{
		KeyType:   keyType,
		Subject:   subject,
		Names:     o.names,
		NotBefore: now.Add(-backdate),
		NotAfter:  o.notAfter(now),
		Authority: o.authority,
	})
	if errors.Is(err, pki.ErrInvalidName) || errors.Is(err, pki.ErrInvalidValidity) {
		return cli.UsageError(err)
	}
	if err != nil {
		return err
	}
	both := slices.Concat(key, certificate)
	switch {
	case len(args) == 1:
		err = writeFiles(o.force, newFile{args[0], both, 0o600})
	case o.keyFile != "":
		err = writeFiles(o.force, newFile{o.keyFile, key, 0o600}, newFile{o.certFile, certificate, 0o644})
	default:
		_, err = cmd.OutOrStdout().Write(both)
	}
	if errors.Is(err, atomicfile.ErrExists) {
		return fmt.Errorf("%w; nothing was written: name another file, or replace it with --force", err)
	}
	return err
}

// notAfter is when the certificate ends.
func (o *pkiGenerate) notAfter(now time.Time) time.Time {
	if o.years == 0 && o.months == 0 && o.days == 0 {
		return now.AddDate(10, 0, 0)
	}
	return now.AddDate(o.years, o.months, o.days)
}
