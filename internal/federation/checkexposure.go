package federation

import (
	"slices"

	"github.com/dockit-registry/dockit/access"
)

// confines reports whether a claim keeps those apart who come in: permissions name it,
// and all that allow to write do.
func (c *check) confines(claim string) bool {
	named := func(p access.Permission) bool {
		return slices.ContainsFunc(c.binding.Expose, func(e Exposure) bool { return e.Claim == claim && slices.Contains(p.Placeholders(), e.Name) })
	}
	confined := func(permissions []access.Permission) bool {
		return slices.ContainsFunc(permissions, named) && !slices.ContainsFunc(permissions, func(p access.Permission) bool { return writes(p) && !named(p) })
	}
	return confined(c.permissions) || confined(c.binding.Scopes)
}

// warnOfPlaceholders warns of what is exposed for nothing, and of permissions that give
// nothing because what they name is not exposed.
func (c *check) warnOfPlaceholders() {
	var named []string
	for _, p := range slices.Concat(c.permissions, c.binding.Scopes) {
		for _, name := range p.Placeholders() {
			if slices.Contains(named, name) {
				continue
			}
			named = append(named, name)
			if !slices.ContainsFunc(c.binding.Expose, func(e Exposure) bool { return e.Name == name }) {
				c.warn("%s gives nothing to who comes in here, for nothing is exposed as {%s}: add --expose %[2]s=CLAIM", p, name)
			}
		}
	}
	for _, e := range c.binding.Expose {
		if !slices.Contains(named, e.Name) {
			c.warn("{%s} stands for %s, and no permission of %s has it: grant one such as namespace:{%[1]s}:pull", e.Name, e.Claim, c.binding.Robot)
		}
	}
}
