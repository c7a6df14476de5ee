package subject_test

import (
	"errors"
	"fmt"

	"github.com/dockit-registry/dockit/subject"
)

func Example() {
	ref, err := subject.ParseRef("robot:ci")
	fmt.Println(ref.Kind, ref.Name, ref.Kind.Plural(), err)

	_, err = subject.ParseRef("ci")
	fmt.Println(errors.Is(err, subject.ErrInvalidKind), err)

	fmt.Println(subject.Anonymous, subject.Anonymous.BuiltIn(), ref.BuiltIn())
	// Output:
	// robot ci robots <nil>
	// true invalid kind of subject: "ci" says no kind: write user:ci, robot:ci or group:ci
	// user:anonymous true false
}

// What a user types at a login may have capitals, which no name has.
func ExampleFoldName() {
	name := subject.FoldName("Alice@Example.com")
	fmt.Println(name, subject.ValidateName(name))
	// Output: alice@example.com <nil>
}
