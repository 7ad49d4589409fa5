package idptest

import "crypto/rand"

// IDToken is one that an app has got here by itself as the same client, as the row in force wants it.
func (f *OIDC) IDToken(username string) string {
	p, ok := f.person(username)
	if !ok {
		p = Person{Username: username}
	}
	return f.idToken(grant{person: p, nonce: rand.Text(), authTime: f.options.Now()}, f.mint(p))
}
