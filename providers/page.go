package providers

import "time"

// PasswordForm is the Data of an Ask for the page "password", whose form brings back username and password.
type PasswordForm struct {
	Username string        // as typed before
	Problem  string        // "", PasswordWrong or PasswordThrottled
	Wait     time.Duration // with PasswordThrottled
}

// What can be wrong with a password form that came back.
const (
	PasswordWrong     = "wrong" // username or password, and never which
	PasswordThrottled = "throttled"
)
