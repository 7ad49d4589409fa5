// Package authcode is the client's side of the OAuth 2.0 authorization code flow (RFC 6749, section 4.1), as
// far as it is the same for every upstream: callback.go reads what the browser brought back, exchange.go
// trades the code in, claims.go reads what is said about a person, and error.go names what went wrong.
package authcode
