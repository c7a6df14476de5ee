package main

import "fmt"

// population says who is in a database of some size and what everybody may do. Nothing about it is random, so that what
// a server says can be checked against it.
type population struct {
	users, groups, machines int
	// staff is how many users are in the one large group.
	staff int
	// step spreads the numbers in the names: subjects that come after each other by name were made at different times,
	// as in a database that has grown.
	step int
}

// staffGroup is the large group.
const staffGroup = "staff"

// permission is one as it is stored.
type permission struct {
	kind, name string
	actions    int
}

// The bits of actions.
const (
	pull = 1 << iota
	push
	del
)

func populationOf(users int) population {
	p := population{users: users, groups: users / 10, machines: max(10, users/1000), staff: users / 10, step: 7919}
	for gcd(p.step, users) != 1 {
		p.step++
	}
	return p
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// userName is the name of the user that was made at place i.
func (p population) userName(i int) string { return p.userNumbered(i * p.step % p.users) }

// userNumbered is the user at a place in the order of names.
func (population) userNumbered(number int) string { return fmt.Sprintf("user-%07d", number) }

func (population) groupName(i int) string { return fmt.Sprintf("group-%06d", i) }

func (population) machineName(i int) string { return fmt.Sprintf("robot-%05d", i) }

// groupsOf are the two ordinary groups of the user made at place i, in order.
func (p population) groupsOf(i int) [2]int {
	a, b := i%p.groups, (i/p.groups*37+i*3+1)%p.groups
	if a == b {
		b = (b + 1) % p.groups
	}
	return [2]int{min(a, b), max(a, b)}
}

// permissionsOfUser are the five of the user made at place i, in the order in which they are kept.
func (p population) permissionsOfUser(i int) []permission {
	return []permission{
		{"namespace", fmt.Sprintf("project-%05d", i%50_000), pull},
		{"repository", fmt.Sprintf("base/image-%03d", i%500), pull},
		{"repository", "home/" + p.userName(i) + "/**", pull | push | del},
		{"repository", fmt.Sprintf("team-%04d/*", i%5000), pull | push},
		{"repository", fmt.Sprintf("tools/%05d", i%10_000), pull},
	}
}

// permissionsOfGroup are the three of an ordinary group.
func (population) permissionsOfGroup(i int) []permission {
	return []permission{
		{"namespace", fmt.Sprintf("division-%05d", i), pull | push},
		{"repository", fmt.Sprintf("release/%05d/*", i), pull},
		{"repository", "shared/**", pull},
	}
}

// home is a repository that the user may pull and push.
func home(name string) string { return "home/" + name + "/app" }
