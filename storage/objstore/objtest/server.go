package objtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/objstore/s3"
)

const (
	// starts of a server are tried: another process may take the port that was free a moment before.
	starts = 5
	// startTime is far more than a server takes, on a machine busy with other tests.
	startTime = 30 * time.Second
)

// Server is a real S3 server in a process of its own, with one bucket. It ends with the test.
type Server struct {
	Endpoint  string // http://127.0.0.1:port
	Bucket    string
	AccessKey string
	SecretKey string // may be changed before Start: that is how credentials expire
	CAFile    string // of a server with TLS
	Dir       string // where the objects lie as files; empty if they lie in memory

	t       testing.TB
	command func(port string) *exec.Cmd
	port    string
	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	output  *bytes.Buffer
	client  *http.Client
}

// VersityConfig says what kind of bucket [StartVersity] makes.
type VersityConfig struct {
	Versioning bool // the bucket keeps versions
	ObjectLock bool // versions can be locked; implies Versioning
	TLS        bool // with a certificate of its own, see Server.CAFile
}

// StartVersity starts versitygw, a server as strict as the big ones.
func StartVersity(t testing.TB, cfg VersityConfig) *Server {
	t.Helper()
	tool := tool(t, "versitygw")
	root := t.TempDir()
	sub := func(name string) string {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	data, iam, old := sub("data"), sub("iam"), sub("versions")
	s := &Server{t: t, Bucket: "footfall-test", AccessKey: "AKIDTESTUSER", SecretKey: "test/secret+key", Dir: filepath.Join(data, "footfall-test"), client: &http.Client{}}
	scheme, global := "http", []string{"--iam-dir", iam, "--quiet", "--keep-alive"}
	if cfg.TLS {
		certificate, key := s.makeCertificate(root)
		scheme, global = "https", append(global, "--cert", certificate, "--key", key)
	}
	backend := []string{"posix"}
	if cfg.Versioning || cfg.ObjectLock {
		backend = append(backend, "--versioning-dir", old)
	}
	s.command = func(port string) *exec.Cmd {
		s.Endpoint = scheme + "://127.0.0.1:" + port
		cmd := exec.Command(tool, slices.Concat([]string{"--port", "127.0.0.1:" + port}, global, backend, []string{data})...)
		cmd.Env = []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey, "HOME=" + root, "PATH=" + os.Getenv("PATH")}
		cmd.Dir = root
		return cmd
	}
	s.Start()
	header := http.Header{}
	if cfg.ObjectLock {
		header.Set("X-Amz-Bucket-Object-Lock-Enabled", "true")
	}
	s.MustDo("PUT", "/"+s.Bucket, header, nil)
	if cfg.Versioning || cfg.ObjectLock {
		s.MustDo("PUT", "/"+s.Bucket+"?versioning=", nil, []byte(`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`))
	}
	return s
}

// StartFake starts gofakes3, which starts in no time, keeps everything in memory and looks at no signature: never the only witness.
func StartFake(t testing.TB) *Server {
	t.Helper()
	tool := tool(t, "gofakes3")
	s := &Server{t: t, Bucket: "footfall-test", AccessKey: "anyone", SecretKey: "anything", client: &http.Client{}}
	s.command = func(port string) *exec.Cmd {
		s.Endpoint = "http://127.0.0.1:" + port
		return exec.Command(tool, "-backend", "memory", "-host", "127.0.0.1:"+port, "-initialbucket", s.Bucket)
	}
	s.Start()
	return s
}

// tool finds a program that make installs, whatever its version.
func tool(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("objtest: these tests run inside the source tree")
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, ".tools", name+"-v*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("the S3 server %s is not there: run make tools (or make test), which installs it into .tools", name)
	}
	return found[len(found)-1]
}

// Start starts the server, again after [Server.Kill] with the same port and data.
func (s *Server) Start() {
	s.t.Helper()
	if s.process == nil {
		s.t.Cleanup(s.Kill)
	}
	again := s.port
	for range starts {
		if again == "" {
			s.port = freePort(s.t)
		}
		if s.start() {
			return
		}
	}
	s.t.Fatalf("%s does not start: %s", s.process.Path, s.output)
}

func (s *Server) start() bool {
	s.t.Helper()
	s.process, s.output, s.ended = s.command(s.port), new(bytes.Buffer), make(chan struct{})
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	process, ended := s.process, s.ended
	go func() { // Kill waits for it
		process.Wait()
		close(ended)
	}()
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		r, err := http.NewRequestWithContext(ctx, "GET", s.Endpoint+"/", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		resp, err := s.client.Do(r)
		if err == nil {
			resp.Body.Close()
		}
		cancel()
		select {
		case <-s.ended:
			return false // and who answered, if anyone, is somebody else
		default:
		}
		if err == nil {
			return true
		}
		time.Sleep(5 * time.Millisecond) // there is no sign of readiness but an answer
	}
	s.Kill()
	return false
}

// Kill ends the server at once, without letting it finish anything.
func (s *Server) Kill() {
	s.process.Process.Kill()
	<-s.ended
	s.client.CloseIdleConnections()
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Config returns how the server is reached.
func (s *Server) Config() s3.Config {
	return s3.Config{
		Endpoint: s.Endpoint, Region: "us-east-1", CAFile: s.CAFile,
		Credentials: s3.Credentials{AccessKey: s.AccessKey, SecretKey: s.SecretKey},
		Getenv:      func(string) string { return "" },
	}
}

// At returns where the server's bucket is. Each prefix is as good as a bucket of its own.
func (s *Server) At(prefix string) objstore.Location {
	return objstore.Location{Bucket: s.Bucket, Prefix: prefix}
}

// Open opens the server's bucket.
func (s *Server) Open(prefix string) objstore.Bucket {
	s.t.Helper()
	return Open(s.t, s.Config(), s.At(prefix))
}

// Open opens a bucket on S3, or fails the test.
func Open(t testing.TB, cfg s3.Config, at objstore.Location) objstore.Bucket {
	t.Helper()
	b, err := cfg.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// MustDo sends a signed request for what a bucket cannot be asked, and returns the answer's body.
func (s *Server) MustDo(method, target string, header http.Header, body []byte) []byte {
	s.t.Helper()
	r, err := http.NewRequest(method, s.Endpoint+target, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	sign(r, body, s.AccessKey, s.SecretKey, time.Now())
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = errors.New(resp.Status)
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v: %s", method, target, err, answer)
	}
	return answer
}

// makeCertificate makes a certificate for this machine, and believes it.
func (s *Server) makeCertificate(dir string) (certificate, key string) {
	s.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "objtest"}, NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		s.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		s.t.Fatal(err)
	}
	write := func(name, kind string, bytes []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			s.t.Fatal(err)
		}
		return file
	}
	s.CAFile = write("cert.pem", "CERTIFICATE", der)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	return s.CAFile, write("key.pem", "PRIVATE KEY", pkcs8)
}

// String says which server it is, for messages of tests.
func (s *Server) String() string { return fmt.Sprintf("the S3 server at %s", s.Endpoint) }
