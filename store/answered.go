package store

// answered asks what a token request needs of the database, and asks once more
// when the connection broke before the answer: that says nothing about the
// server, of which only this connection may be gone, and a question changes
// nothing.
func answered[T any](s *Store, ask func() (T, error)) (T, error) {
	answer, err := ask()
	if err != nil && s.dialect.Lost(err) {
		return ask()
	}
	return answer, err
}
