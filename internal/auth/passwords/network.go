package passwords

import "net/netip"

// Network is the address prefix by which wrong passwords are counted: an IPv4
// address, or the 64 bits of IPv6 that one customer commonly has. It is empty
// for an address that is zero.
func Network(address netip.Addr) string { return prefix(address, 32, 64) }

// customer is the address prefix that one customer has at most, as a rule.
func customer(address netip.Addr) string { return prefix(address, 24, 48) }

// prefix is the network of an address, of so many bits.
func prefix(address netip.Addr, v4, v6 int) string {
	if !address.IsValid() {
		return ""
	}
	bits := v4
	if address.Is6() {
		bits = v6
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}
