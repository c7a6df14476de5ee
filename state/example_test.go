package state_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// A document is compared with the subjects that there are, one after the other.
func Example() {
	wanted, err := state.Parse(strings.NewReader(`
version: dockit/v1
users:
  - name: alice
    admin: true
groups:
  - name: dev
    members:
      - user:alice
    permissions:
      - repository:team/*:push
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	differ, err := state.NewDiffer(wanted, state.Options{Prune: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, current := range []state.Subject{
		{Ref: subject.Ref{Kind: subject.User, Name: "alice"}},
		{Ref: subject.Ref{Kind: subject.Robot, Name: "ci"}},
	} {
		if err := differ.Current(current); err != nil {
			fmt.Println(err)
			return
		}
	}
	plan, err := differ.Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan)
	// Output:
	//   user:alice
	// +   admin
	// - robot:ci
	// + group:dev
	// +   member user:alice
	// +   permission repository:team/*:push
}

// Faults name their line.
func ExampleParse() {
	_, err := state.Parse(strings.NewReader("version: dockit/v1\nrobots:\n  - name: ci\n    admin: true\n"))
	fmt.Println(err)
	// Output: invalid state document: line 4: robot:ci: admin: only users can be admins
}

func ExampleWriter() {
	w := state.NewWriter(os.Stdout, state.YAML)
	err := w.Write(state.Subject{
		Ref:         subject.Ref{Kind: subject.Robot, Name: "ci"},
		Permissions: []access.Permission{{Type: access.Namespace, Name: "team", Actions: access.Push}},
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// version: dockit/v1
	// robots:
	//   - name: ci
	//     permissions:
	//       - namespace:team:push
}
