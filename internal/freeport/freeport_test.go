package freeport

import "testing"

func TestNext(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port, err := Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < first || port > last {
			t.Fatalf("port %d", port)
		}
		seen[port] = true
	}
}
