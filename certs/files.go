package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
)

// newKey returns a key and its file.
func newKey() (key *ecdsa.PrivateKey, text []byte, err error) {
	key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// newSerial returns 126 random bits, and one more so that it always has as many digits
// [RFC 5280 4.1.2.2: positive, at most 20 octets].
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b[:])
}

func sign(template, parent *x509.Certificate, key any, by *ecdsa.PrivateKey) ([]byte, error) {
	return x509.CreateCertificate(rand.Reader, template, parent, key, by)
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// ReadCertificate reads the first certificate of a file in PEM form.
func ReadCertificate(path string) (*x509.Certificate, error) {
	block, err := readBlock(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(block)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// readKey reads a key as newKey makes them. Its errors do not quote the file.
func readKey(path string) (*ecdsa.PrivateKey, error) {
	block, err := readBlock(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, fmt.Errorf("%s: no key in PKCS #8 form", path)
	}
	if own, ok := key.(*ecdsa.PrivateKey); ok {
		return own, nil
	}
	return nil, fmt.Errorf("%s: %w", path, errKind)
}

var errKind = errors.New("not an ECDSA key")

func readBlock(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: no %s in PEM form in it", path, kind)
	}
	return block.Bytes, nil
}
