package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/idptest"
)

// withLoopback lets registered providers reach 127.0.0.1, and no other address of this machine.
func withLoopback(config string) string {
	return strings.Replace(config, "database:", "egress: {allow: [127.0.0.1]}\ndatabase:", 1)
}

// block is an OIDC provider as a file of its own says it.
func block(id string, f *idptest.OIDC, more ...string) string {
	return fmt.Sprintf("id: %s\nkind: oidc\nname: The %s company\nissuer: %s\nclient_id: signet\nclient_secret: globex-secret\n%s\n", id, id, f.Issuer, strings.Join(more, "\n"))
}

// blockFile writes a block and returns where.
func (w *world) blockFile(text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, "block.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// register adds a provider as the command does, and the running broker sees it.
func (w *world) register(text string, domains ...string) {
	w.t.Helper()
	c := providerAdd{File: w.blockFile(text)}
	c.Config = w.configFile()
	cfg, s, err := openWithConfig(w.t.Context(), c.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.close()
	p, document, err := c.read(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	_, claimed, err := c.add(w.t.Context(), s, p, document)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range claimed {
		for _, proven := range domains {
			if d.Domain == proven {
				if err := s.db.VerifyDomain(w.t.Context(), d, s.now(), broker.Event{Type: broker.DomainVerified}); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
	w.follow()
}

// follow has the running broker look at the database, as it does every two seconds.
func (w *world) follow() {
	w.t.Helper()
	if err := w.signet.registry.refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// at is a login at a registered provider, until its upstream has sent the browser back.
func (b *browser) at(provider string, f *idptest.OIDC, person string) *page {
	b.w.t.Helper()
	return b.atGlobex(b.authorize(webApp, url.Values{"provider": {provider}}), f, person)
}

// nameServer answers TXT questions on loopback.
type nameServer struct {
	addr string
	mu   sync.Mutex
	txt  map[string][]string // by name with the dot
}

func newNameServer(t testing.TB) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &nameServer{addr: conn.LocalAddr().String(), txt: map[string][]string{}}
	go func() {
		buffer := make([]byte, 4096)
		for {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer := n.answer(buffer[:size]); answer != nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return n
}

func (n *nameServer) show(name string, values ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.txt[name+"."] = values
}

func (n *nameServer) answer(raw []byte) []byte {
	var question dnsmessage.Message
	if question.Unpack(raw) != nil || len(question.Questions) != 1 {
		return nil
	}
	q := question.Questions[0]
	n.mu.Lock()
	values, known := n.txt[q.Name.String()]
	n.mu.Unlock()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: question.ID, Response: true, Authoritative: true}, Questions: question.Questions}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, v := range values {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   &dnsmessage.TXTResource{TXT: []string{v}},
		})
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}
