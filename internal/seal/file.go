package seal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Exposed is what LoadOrCreateKey returns beside a good key whose file others may read. It is a warning:
// in a container, the file's mode is often not ours to choose.
type Exposed struct {
	Path string
	Mode fs.FileMode
}

func (e *Exposed) Error() string {
	return fmt.Sprintf("master key file %s can be read by others (mode %04o): chmod 600", e.Path, e.Mode.Perm())
}

// keyFileLimit is far above 44 characters and far below what would hurt.
const keyFileLimit = 4 << 10

// LoadOrCreateKey returns the master key that a file holds: KeySize bytes in base64, the standard or the URL
// alphabet. With create a missing file is made, mode 0600; a file that exists is never written to. The key is
// good when the error is nil or an *Exposed; errors.Is(err, fs.ErrNotExist) tells a missing file.
func LoadOrCreateKey(path string, create bool) ([]byte, error) {
	key, err := loadKey(path)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := createKey(path); err != nil {
			return nil, fmt.Errorf("create master key file %s: %w", path, err)
		}
		// Read back, also because another process may have been first: both then use that one's key.
		return loadKey(path)
	}
	return key, err
}

func loadKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, keyFileLimit))
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	key, err := decodeKey(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("master key file %s: %w", path, err)
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return key, &Exposed{Path: path, Mode: info.Mode()}
	}
	return key, nil
}

func decodeKey(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("is empty")
	}
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	key, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64") // the decoder's own error would show a part of the key
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("holds %d bytes, want %d in base64", len(key), KeySize)
	}
	return key, nil
}

// createKey writes a new key beside path and links it there: a link fails where a file is already, so a key
// is never replaced, and nobody sees half of one.
func createKey(path string) error {
	key := make([]byte, KeySize)
	rand.Read(key)
	tmp, err := os.CreateTemp(filepath.Dir(path), ".signet-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err == nil {
		err = tmp.Sync() // rows sealed with a key that a power cut took away would be lost
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
