package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dockit-registry/dockit/internal/printable"
)

// maxSecret is the largest file that a secret is read from, in bytes.
const maxSecret = 64 << 10

// Variable is the environment variable of a flag: --base-url has
// DOCKIT_BASE_URL.
func Variable(flag string) string {
	return "DOCKIT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// BindEnvironment sets every flag that was not given from its environment
// Variable DOCKIT_<FLAG>. An empty variable counts as not set. A flag that can
// be repeated takes values separated by commas, one that is on or off yes and no
// too. A value with a control character or with quotes around it is an error:
// they came with a file by mistake. Variables that are none of Dockit's are
// warned of on standard error. A flag marked by [MarkSecret] can also be read
// from a file that DOCKIT_<FLAG>_FILE names; both at once are an error. All of
// its errors are of wrong usage.
func BindEnvironment(cmd *cobra.Command) error {
	warnOfUnknownVariables(cmd)
	var errs []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || !fromEnvironment(flag) {
			return
		}
		read := plain
		if isSecret(flag) {
			read = secret
		}
		value, source, err := read(Variable(flag.Name))
		if err != nil {
			errs = append(errs, err)
			return
		}
		if value == "" {
			return
		}
		if err := set(cmd.Flags(), flag, value); err != nil {
			if isSecret(flag) {
				err = errors.New("the value cannot be used") // and is not repeated
			}
			errs = append(errs, fmt.Errorf("environment variable %s: %w", source, err))
		}
	})
	return UsageError(errors.Join(errs...))
}

const (
	secretAnnotation = "dockit_secret"
	givenAnnotation  = "dockit_given"
)

// WithoutEnvironment keeps flags of a command from being read from environment
// variables, which have another meaning. It panics about a flag that does not exist.
func WithoutEnvironment(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, givenAnnotation, []string{"true"}); err != nil {
			panic(err)
		}
	}
}

// MarkSecret makes flags secrets: their values may stand in a file, and no error
// repeats them. It panics about a flag that does not exist.
func MarkSecret(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, secretAnnotation, []string{"true"}); err != nil {
			panic(err)
		}
	}
}

func isSecret(flag *pflag.Flag) bool { return flag.Annotations[secretAnnotation] != nil }

// Variables are the environment variables that set a flag, with the one that names
// a file for a secret: none for a flag that the environment does not set.
func Variables(flag *pflag.Flag) []string {
	switch {
	case !fromEnvironment(flag):
		return nil
	case isSecret(flag):
		return []string{Variable(flag.Name), Variable(flag.Name) + "_FILE"}
	default:
		return []string{Variable(flag.Name)}
	}
}

// fromEnvironment reports whether the environment may set a flag.
func fromEnvironment(flag *pflag.Flag) bool {
	return flag.Name != "help" && flag.Name != "version" && flag.Annotations[givenAnnotation] == nil
}

func set(flags *pflag.FlagSet, flag *pflag.Flag, value string) error {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		values := strings.Split(value, ",")
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
		flag.Changed = true
		return list.Replace(values)
	}
	if flag.Value.Type() == "bool" {
		switch strings.ToLower(value) {
		case "yes", "on":
			value = "true"
		case "no", "off":
			value = "false"
		}
		if _, err := strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q: write true or false", printable.Clip(value))
		}
	}
	return flags.Set(flag.Name, value)
}

// plain reads an environment variable.
func plain(name string) (value, source string, err error) {
	value = os.Getenv(name)
	return value, name, checkEnvironment("environment variable "+name, value, false)
}

// checkEnvironment refuses what files that are read into the environment leave
// in values. It does not repeat the value, which may be a secret.
func checkEnvironment(source, value string, lines bool) error {
	if err := checkControl(source, value, lines); err != nil {
		return UsageError(err)
	}
	if n := len(value); n > 1 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
		return UsageError(fmt.Errorf("%s: quotes stand around the value and would be part of it: write it without them", source))
	}
	return nil
}

// checkControl refuses control characters, but for line breaks where a value may
// have several lines.
func checkControl(source, value string, lines bool) error {
	for _, r := range value {
		if unicode.IsControl(r) && (!lines || r != '\n') {
			return fmt.Errorf("%s: there is a control character in it (%U), such as a line break or a Windows line end: remove it", source, r)
		}
	}
	return nil
}

// hasLines reports whether the values of a variable may have several lines.
func hasLines(name string) bool { return name == Variable("pki-encryption-key") }

// secret reads an environment variable, or the file that the variable with
// _FILE behind its name names.
func secret(name string) (value, source string, err error) {
	value, path := os.Getenv(name), os.Getenv(name+"_FILE")
	switch {
	case path == "":
		if hasLines(name) {
			value = strings.ReplaceAll(strings.TrimSuffix(value, "\n"), "\r\n", "\n")
		}
		return value, name, checkEnvironment("environment variable "+name, value, hasLines(name))
	case value != "":
		return "", "", UsageError(fmt.Errorf("%s and %[1]s_FILE are both set: unset one of them", name))
	}
	if err := checkEnvironment("environment variable "+name+"_FILE", path, false); err != nil {
		return "", "", err
	}
	value, err = readSecretFile(path)
	if err == nil {
		if hasLines(name) {
			value = strings.ReplaceAll(value, "\r\n", "\n")
		}
		err = checkControl(path, value, hasLines(name))
	}
	if err != nil {
		return "", "", UsageError(fmt.Errorf("%s_FILE: %w", name, err))
	}
	return value, name + "_FILE", nil
}

func readSecretFile(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return "", err
	}
	defer file.Close()
	value, err := readLine(file, maxSecret)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if value == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return value, nil
}

// readLine reads a secret, without the line break that editors and echo leave
// behind it.
func readLine(r io.Reader, most int64) (string, error) {
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return "", err
	}
	if int64(len(content)) > most {
		return "", fmt.Errorf("more than %d bytes", most)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
}
