package cli

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ofKubernetes are the variables that Kubernetes makes in each container for a
// Service whose name begins with dockit.
var ofKubernetes = regexp.MustCompile(`^DOCKIT(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// OtherVariables are those without a flag, each with what it holds.
//
//nolint:gosec // what passwords are, and none
var OtherVariables = map[string]string{
	"DOCKIT_PASSWORD":      "Password of --username, or an access token, for the commands that speak to a server.",
	"DOCKIT_PASSWORD_FILE": "File to read it from.",
	"DOCKIT_ID_TOKEN":      "Token of the CI service or platform, to log in with.",
	"DOCKIT_ID_TOKEN_FILE": "File to read it from.",
}

const warnedAnnotation = "dockit_warned"

// warnOfUnknownVariables names, once for a command, the environment variables
// that look like Dockit's and set nothing. A Caddyfile may use any name in a
// placeholder, so that run warns of none.
func warnOfUnknownVariables(cmd *cobra.Command) {
	if cmd.Name() == "run" || cmd.Annotations[warnedAnnotation] != "" {
		return
	}
	if cmd.Annotations == nil {
		cmd.Annotations = make(map[string]string)
	}
	cmd.Annotations[warnedAnnotation] = "true"
	known := knownVariables(cmd.Root())
	for _, entry := range slices.Sorted(slices.Values(os.Environ())) {
		name, value, _ := strings.Cut(entry, "=")
		if value == "" || !strings.HasPrefix(name, "DOCKIT_") || slices.Contains(known, name) || ofKubernetes.MatchString(name) {
			continue
		}
		hint := ""
		if nearest := suggest(known, name); nearest != "" {
			hint = ": did you mean " + nearest + "?"
		}
		Warnf(cmd.ErrOrStderr(), "Warning: the environment variable %s sets nothing%s", Visible(name), hint)
	}
}

// knownVariables are those of a command and of all below it.
func knownVariables(cmd *cobra.Command) []string {
	known := slices.Collect(maps.Keys(OtherVariables))
	add := func(flag *pflag.Flag) {
		known = append(known, Variable(flag.Name))
		if isSecret(flag) {
			known = append(known, Variable(flag.Name)+"_FILE")
		}
	}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(add)
		cmd.PersistentFlags().VisitAll(add)
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(cmd)
	slices.Sort(known)
	return slices.Compact(known)
}

// suggest is the name that is a few letters away from another one, or empty.
func suggest(names []string, name string) string {
	suggest := &cobra.Command{}
	for _, n := range names {
		suggest.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	for distance := 1; distance <= 3; distance++ {
		suggest.SuggestionsMinimumDistance = distance
		if found := suggest.SuggestionsFor(name); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}
