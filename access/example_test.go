package access_test

import (
	"errors"
	"fmt"

	"github.com/dockit-registry/dockit/access"
)

// What a client asks for is answered with what its permissions allow of it.
func Example() {
	var held []access.Permission
	for _, text := range []string{"namespace:team:push", "repository:public/*:pull"} {
		p, err := access.ParsePermission(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		held = append(held, p)
	}
	rights := access.NewRights("alice", held)

	asked, err := access.ParseScopes([]string{
		"repository:team/app:pull,push,delete",
		"repository:public/base:pull repository:public/base/debug:pull",
		"registry:catalog:*",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, granted := range rights.Grant(asked) {
		fmt.Println(granted)
	}
	// Output:
	// repository:team/app:pull,push
	// repository:public/base:pull
}

func ExampleParsePermission() {
	p, err := access.ParsePermission("repository:team/*:push")
	fmt.Println(p.Type, p.Name, p.Actions, err)

	_, err = access.ParsePermission("repository:Team/app:push")
	fmt.Println(errors.Is(err, access.ErrInvalidPermission), err)
	// Output:
	// repository team/* push <nil>
	// true invalid permission "repository:Team/app:push": "Team" has upper-case letters: write "team"
}

func ExampleRights_Allowed() {
	rights := access.NewRights("alice", []access.Permission{
		{Type: access.Repository, Name: "{username}/**", Actions: access.All},
		{Type: access.Namespace, Name: "team", Actions: access.Push},
	})
	for _, name := range []string{"alice/app", "bob/app", "team/app/debug"} {
		fmt.Printf("%s: %q\n", name, rights.Allowed(access.Repository, name).List())
	}
	// Output:
	// alice/app: ["pull" "push" "delete"]
	// bob/app: []
	// team/app/debug: ["pull" "push"]
}
