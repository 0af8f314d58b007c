package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxFile is the limit of every file read here, in bytes.
const maxFile = 1 << 20

// readSecret returns the content of a file without the newline at its end.
func readSecret(path string) (string, error) {
	data, err := readFile(path)
	text := strings.TrimRight(string(data), "\r\n")
	if err == nil && text == "" {
		return "", fmt.Errorf("%s is empty", quote(path))
	}
	return text, err
}

// readFile reads a regular file of at most maxFile bytes; a pipe or a device
// could block or never end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", quote(path))
	}
	if err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %s", quote(path), formatSize(maxFile))
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, unreadable(path, err)
	}
	return data, nil
}

// unreadable wraps an error of a file operation in few words.
func unreadable(path string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("cannot read %s: %w", quote(path), err)
}
