package printable

// Clip keeps what somebody typed from flooding an error message.
func Clip(s string) string {
	const most = 128
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
