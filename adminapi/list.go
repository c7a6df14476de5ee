package adminapi

// List is one page of a listing.
type List[T any] struct {
	Items []T `json:"items" nullable:"false" doc:"What is on this page, in a stable order."`
	// NextCursor is empty on the last page.
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass it as cursor to get the next page. Absent on the last page."`
}
