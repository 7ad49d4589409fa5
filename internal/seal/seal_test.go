package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func newBox(t *testing.T, first byte) *Box {
	t.Helper()
	key := make([]byte, KeySize)
	key[0] = first
	b, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	b := newBox(t, 1)
	for _, plain := range [][]byte{nil, {0}, []byte("secret"), bytes.Repeat([]byte("x"), 1<<20)} {
		sealed, err := b.Seal("keys|private|k1", plain)
		if err != nil {
			t.Fatal(err)
		}
		if len(plain) > 4 && bytes.Contains(sealed, plain) {
			t.Fatal("the sealed value holds the plaintext")
		}
		got, err := b.Open("keys|private|k1", sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %d bytes, %v, want %d bytes", len(got), err, len(plain))
		}
	}
}

func TestSealNeverRepeatsANonce(t *testing.T) {
	b := newBox(t, 1)
	seen := map[string]bool{}
	for range 1000 {
		sealed, err := b.Seal("p", []byte("same"))
		if err != nil {
			t.Fatal(err)
		}
		nonce := string(sealed[headSize : headSize+nonceSize])
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}

func TestOpenRefuses(t *testing.T) {
	b := newBox(t, 1)
	good, err := b.Seal("keys|private|k1", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	// A Box with the same name for another key: only the tag can tell them apart.
	twin := newBox(t, 2)
	twin.head = b.head

	flip := func(at int) []byte {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		return bad
	}
	rows := []struct {
		name    string
		box     *Box
		purpose string
		sealed  []byte
		want    error
	}{
		{"another purpose", b, "keys|private|k2", good, ErrDamaged},
		{"another master key", newBox(t, 2), "keys|private|k1", good, ErrOtherKey},
		{"another master key of the same id", twin, "keys|private|k1", good, ErrDamaged},
		{"version changed", b, "keys|private|k1", flip(0), ErrDamaged},
		{"key id changed", b, "keys|private|k1", flip(1), ErrOtherKey},
		{"nonce changed", b, "keys|private|k1", flip(headSize), ErrDamaged},
		{"ciphertext changed", b, "keys|private|k1", flip(headSize + nonceSize), ErrDamaged},
		{"tag changed", b, "keys|private|k1", flip(len(good) - 1), ErrDamaged},
		{"cut off", b, "keys|private|k1", good[:len(good)-1], ErrDamaged},
		{"too short", b, "keys|private|k1", good[:headSize], ErrDamaged},
		{"empty", b, "keys|private|k1", nil, ErrDamaged},
	}
	for _, row := range rows {
		if got, err := row.box.Open(row.purpose, row.sealed); !errors.Is(err, row.want) || got != nil {
			t.Errorf("%s: Open = %q, %v, want %v", row.name, got, err, row.want)
		}
	}
}

func TestKeyIDNamesTheKey(t *testing.T) {
	a, b := newBox(t, 1), newBox(t, 2)
	if a.KeyID() != newBox(t, 1).KeyID() || a.KeyID() == b.KeyID() || len(a.KeyID()) != 8 {
		t.Errorf("KeyID = %s and %s", a.KeyID(), b.KeyID())
	}
	if _, err := New(make([]byte, 16)); err == nil {
		t.Error("New took a short key")
	}
}

func TestKeyFileIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signet.key")
	if _, err := LoadOrCreateKey(path, false); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("missing file: %v, want ErrNotExist", err)
	}
	keys := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() { keys[i], _ = LoadOrCreateKey(path, true) })
	}
	wg.Wait()
	for _, k := range keys {
		if len(k) != KeySize || !bytes.Equal(k, keys[0]) {
			t.Fatal("starts at the same time got different keys")
		}
	}
	if bytes.Equal(keys[0], make([]byte, KeySize)) {
		t.Fatal("the key is not random")
	}
	// A process that found no file, and is late to make it.
	if err := createKey(path); err != nil {
		t.Fatal(err)
	}
	if k, err := LoadOrCreateKey(path, true); err != nil || !bytes.Equal(k, keys[0]) {
		t.Fatalf("a late create replaced the key: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%d files in the folder, want 1", len(left))
	}
}

func TestKeyFileProblemsAreNamed(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, KeySize))
	rows := []struct{ name, text, want string }{
		{"empty", "\n", "is empty"},
		{"not base64", strings.Repeat("!", 44), "is not base64"},
		{"short", good[:20], "holds 15 bytes, want 32"},
		{"long", base64.StdEncoding.EncodeToString(make([]byte, 64)), "holds 64 bytes, want 32"},
	}
	for _, row := range rows {
		path := filepath.Join(t.TempDir(), "k")
		if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadOrCreateKey(path, true)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
		if now, _ := os.ReadFile(path); string(now) != row.text {
			t.Errorf("%s: the file was overwritten", row.name)
		}
	}

	url := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(good)
	for _, text := range []string{good, good + "\n", url} {
		path := filepath.Join(t.TempDir(), "k")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if key, err := LoadOrCreateKey(path, false); err != nil || len(key) != KeySize {
			t.Errorf("good file: %d bytes, %v", len(key), err)
		}
	}

	path := filepath.Join(t.TempDir(), "k")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	key, err := LoadOrCreateKey(path, false)
	if exposed := (*Exposed)(nil); !errors.As(err, &exposed) || len(key) != KeySize {
		t.Errorf("readable by others: %d bytes, %v, want the key and Exposed", len(key), err)
	}
}
