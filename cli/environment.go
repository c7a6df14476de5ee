package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxSecret is the largest file that a secret is read from, in bytes.
const maxSecret = 64 << 10

// variable is the environment variable of a flag: --base-url has
// DOCKIT_BASE_URL.
func variable(flag string) string {
	return "DOCKIT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// BindEnvironment sets every flag that was not given from its environment
// variable DOCKIT_<FLAG>. An empty variable counts as not set. A flag that can
// be repeated takes values separated by commas. The flags named as secrets, or
// marked by [markSecret], can also be read from a file that DOCKIT_<FLAG>_FILE names; both at once are an
// error. All of its errors are of wrong usage.
func BindEnvironment(cmd *cobra.Command, secrets ...string) error {
	var errs []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || flag.Name == "help" || flag.Name == "version" {
			return
		}
		read, isSecret := plain, slices.Contains(secrets, flag.Name) || flag.Annotations[secretAnnotation] != nil
		if isSecret {
			read = secret
		}
		value, source, err := read(variable(flag.Name))
		if err != nil {
			errs = append(errs, err)
			return
		}
		if value == "" {
			return
		}
		if err := set(cmd.Flags(), flag, value); err != nil {
			if isSecret {
				err = errors.New("the value cannot be used") // and is not repeated
			}
			errs = append(errs, fmt.Errorf("environment variable %s: %w", source, err))
		}
	})
	return UsageError(errors.Join(errs...))
}

const secretAnnotation = "dockit_secret"

// markSecret makes the flags of a command of this package secrets wherever
// they are bound.
func markSecret(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.Flags().SetAnnotation(name, secretAnnotation, []string{"true"}); err != nil {
			panic(err) // the command has no such flag
		}
	}
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
	return flags.Set(flag.Name, value)
}

// plain reads an environment variable.
func plain(name string) (value, source string, err error) {
	return os.Getenv(name), name, nil
}

// secret reads an environment variable, or the file that the variable with
// _FILE behind its name names.
func secret(name string) (value, source string, err error) {
	value, path := os.Getenv(name), os.Getenv(name+"_FILE")
	switch {
	case path == "":
		return value, name, nil
	case value != "":
		return "", "", UsageError(fmt.Errorf("%s and %[1]s_FILE are both set: unset one of them", name))
	}
	value, err = readSecretFile(path)
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
