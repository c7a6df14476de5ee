package passwords

// source is where an attempt comes from. What is scarce is shared out by it,
// and never by a name, or it would show which exist.
type source struct {
	// known is a network that a user logged in from before.
	known bool
	// customer is the address prefix that one customer has at most, as a rule,
	// and network the one by which guesses are counted.
	customer, network string
}

// class stands for all sources that are known, or all that are not.
func (s source) class() source { return source{known: s.known} }

// ofCustomer stands for all sources of one customer.
func (s source) ofCustomer() source { return source{known: s.known, customer: s.customer} }

// path is the way to the source from the root of a [queue].
func (s source) path() []string {
	class := "others"
	if s.known {
		class = "known"
	}
	return []string{class, s.customer, s.network}
}
