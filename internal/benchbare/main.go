// Benchbare measures what the kernel and the Go runtime take for an exchange, with
// nothing done: connections send 60 bytes, wait for 4, and send again; a process of its
// own reads and answers. With -gather it answers all that has come meanwhile at once,
// as the front door does. It is what a front door costs at least on this machine, with
// one message in flight per device.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"sluice/internal/benchenv"
)

type settings struct {
	connections, messages int
	gather                time.Duration
	listener              bool
}

func main() {
	var s settings
	flag.IntVar(&s.connections, "connections", 100, "connections")
	flag.IntVar(&s.messages, "messages", 200_000, "exchanges in all")
	flag.DurationVar(&s.gather, "gather", 0, "answer what has come in this time at once; 0: each by itself")
	flag.BoolVar(&s.listener, "listener", false, "be the process that answers; it listens on descriptor 3")
	flag.Parse()
	run := s.measure
	if s.listener {
		run = s.listen
	}
	if err := benchenv.RunUntilSignal(run); err != nil {
		fmt.Fprintln(os.Stderr, "benchbare:", err)
		os.Exit(1)
	}
}

// measure starts the listener and sends.
func (s settings) measure(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close()
	child := exec.CommandContext(ctx, os.Args[0], append(os.Args[1:], "-listener")...)
	child.Stdout, child.Stderr, child.ExtraFiles = os.Stdout, os.Stderr, []*os.File{file}
	if err := child.Start(); err != nil {
		return err
	}
	l.Close()
	began := time.Now()
	err = s.send(ctx, l.Addr().String())
	took := time.Since(began)
	if err := errors.Join(err, child.Wait()); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "sender    %6.2f us of CPU per exchange, %.0f exchanges/s\n", s.perExchange(), float64(s.exchanges())/took.Seconds())
	return nil
}

// each is how many exchanges a connection makes.
func (s settings) each() int { return s.messages / s.connections }

func (s settings) exchanges() int { return s.each() * s.connections }

// perExchange is the CPU time of this process until now, in microseconds.
func (s settings) perExchange() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1000 / float64(s.exchanges())
}

// send makes the exchanges.
func (s settings) send(ctx context.Context, address string) error {
	var all sync.WaitGroup
	errs := make(chan error, s.connections)
	for range s.connections {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		all.Go(func() { errs <- s.exchange(c) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s settings) exchange(c net.Conn) error {
	defer c.Close()
	message, answer := make([]byte, 60), make([]byte, 4)
	for range s.each() {
		if _, err := c.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			return err
		}
	}
	return nil
}

// listen answers until all connections have ended.
func (s settings) listen(context.Context) error {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	asked := make(chan net.Conn, s.connections)
	if s.gather > 0 {
		go s.answerTogether(asked)
	}
	var all sync.WaitGroup
	for range s.connections {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		all.Go(func() { s.read(c, asked) })
	}
	all.Wait()
	fmt.Fprintf(os.Stdout, "listener  %6.2f us of CPU per exchange\n", s.perExchange())
	return nil
}

func (s settings) read(c net.Conn, asked chan<- net.Conn) {
	defer c.Close()
	b := make([]byte, 4096)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
		if s.gather > 0 {
			asked <- c
		} else {
			answer(c)
		}
	}
}

func (s settings) answerTogether(asked <-chan net.Conn) {
	for c := range asked {
		<-time.After(s.gather)
		answer(c)
		for range len(asked) {
			answer(<-asked)
		}
	}
}

// answer writes as much as a PUBACK; who has gone is noticed by the reader.
func answer(c net.Conn) { _, _ = c.Write([]byte{0x40, 2, 0, 1}) }
