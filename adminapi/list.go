package adminapi

// MaxCounted is how far a list that is narrowed is counted.
const MaxCounted = 1000

// List is one page of a listing.
type List[T any] struct {
	Items []T `json:"items" nullable:"false" doc:"What is on this page, in a stable order."`
	// NextCursor is empty on the last page.
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass it as cursor to get the next page. Absent on the last page."`
	// Total is nil where it was not asked for. [MaxCounted] of a list that is narrowed are
	// as many or more.
	Total *int `json:"total,omitempty" doc:"How many there are on all pages together. Only with total=true, of users, robots, groups and members. 1000 of a list that is narrowed are as many or more."`
}
