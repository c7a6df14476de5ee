package access

// Covers reports whether the permission is about everything that the other one is
// about, whatever the actions of both, when username asks. It compares how they are
// written: true is certain, and false is for a permission that covers another in a
// roundabout way, too.
func (p Permission) Covers(username string, other Permission) bool {
	if p.fault() != "" || other.fault() != "" {
		return false
	}
	if p.Type == Registry || other.Type == Registry {
		return p.Type == other.Type
	}
	covering, ok := p.pattern(username)
	if !ok {
		return false
	}
	covered, ok := other.pattern(username)
	return ok && covering.Covers(covered)
}
