package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// appliedRobots is how many robots a document has beside its group.
const appliedRobots = 5

// crashOperations are changes of each sort, for subjects whose names begin
// with a prefix: single ones, and documents that change several subjects.
func crashOperations(prefix string) []operation {
	single := subject.Ref{Kind: subject.Robot, Name: prefix + "-single"}
	first, second := appliedState(prefix, "push"), appliedState(prefix, "pull")
	return []operation{
		{plus: []string{single.String()}, send: func(c *client.Client) error {
			_, err := c.CreateRobot(context.Background(), adminapi.NewSubject{Name: single.Name})
			return err
		}},
		{plus: []string{single.String() + " may team/app:push"}, send: func(c *client.Client) error {
			_, err := c.Grant(context.Background(), single, crashPermission("push"))
			return err
		}},
		{plus: first.facts, send: first.apply},
		{minus: first.changing, plus: second.changing, send: second.apply},
		{minus: []string{single.String(), single.String() + " may team/app:push"}, send: func(c *client.Client) error {
			return c.Delete(context.Background(), single, 0)
		}},
	}
}

func crashPermission(action string) access.Permission {
	p, err := access.ParsePermission("repository:team/app:" + action)
	if err != nil {
		panic(err) // it is well formed
	}
	return p
}

// applied is a document and what it says.
type applied struct {
	document []byte
	facts    []string
	// changing are the facts that depend on the action.
	changing []string
}

// appliedState is a group of robots that may all do the same.
func appliedState(prefix, action string) applied {
	var a applied
	var robots, members strings.Builder
	for i := range appliedRobots {
		name := fmt.Sprintf("%s-robot-%d", prefix, i)
		fmt.Fprintf(&robots, "  - name: %s\n    permissions: [\"repository:team/app:%s\"]\n", name, action)
		fmt.Fprintf(&members, "      - robot:%s\n", name)
		may := fmt.Sprintf("robot:%s may team/app:%s", name, action)
		a.facts = append(a.facts, "robot:"+name, may, fmt.Sprintf("robot:%s in %s-group", name, prefix))
		a.changing = append(a.changing, may)
	}
	a.facts = append(a.facts, "group:"+prefix+"-group")
	a.document = fmt.Appendf(nil, "version: %s\nrobots:\n%sgroups:\n  - name: %s-group\n    members:\n%s",
		state.Version, robots.String(), prefix, members.String())
	return a
}

func (a applied) apply(c *client.Client) error {
	_, err := c.ApplyState(context.Background(), bytes.NewReader(a.document), state.Options{})
	return err
}
