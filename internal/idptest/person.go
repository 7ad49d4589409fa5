package idptest

// Person is somebody whom a fake upstream can sign in.
type Person struct {
	Username      string // the subject, too
	Name          string
	Email         string
	EmailVerified bool
	Groups        []string
}
