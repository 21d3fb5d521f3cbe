package e2e_test

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
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/ingest/visitor/visitortest"
)

// documented returns the block of a page of docs that follows <!-- run: name -->.
func documented(t *testing.T, page, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- run: "+name+" -->\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("docs/%s has no block %q", page, name)
	}
	return block + "\n"
}

// Through the server as it is built, nothing that a client sends changes the address its events are counted for.
func TestNobodyForgesAnAddress(t *testing.T) {
	s := start(t, "serve", t.TempDir(), "--trusted-proxy", visitortest.Proxies)
	visitortest.NobodyForges(t, strings.TrimPrefix(s.URL, "http://"), "/api/event")
}

// A proxyServer is a program that the docs configure: what stands around their blocks, and what of them is other on the machine of the tests.
type proxyServer struct {
	name     string
	programs []string // that it may be
	config   string   // %[1]s the blocks, %[2]s a directory, %[3]s the port, %[4]s where modules are
	replace  []string // pairs; as config
	args     []string // as config
}

var proxyServers = []proxyServer{
	{
		name: "nginx", programs: []string{"nginx", "/usr/sbin/nginx", "../../.tools/nginx/usr/sbin/nginx"},
		config: "daemon off; pid %[2]s/pid; error_log stderr; worker_processes 1; USER\nevents {}\nhttp { access_log off; client_body_temp_path %[2]s; proxy_temp_path %[2]s; " +
			"fastcgi_temp_path %[2]s; uwsgi_temp_path %[2]s; scgi_temp_path %[2]s;\n%[1]s}\n",
		replace: []string{"listen 443 ssl", "listen 127.0.0.1:%[3]s ssl"},
		args:    []string{"-p", "%[2]s", "-c", "%[2]s/config", "-e", "stderr"},
	},
	{
		name: "caddy", programs: []string{"caddy"},
		config: "{\n admin off\n auto_https disable_redirects\n skip_install_trust\n default_bind 127.0.0.1\n}\n%[1]s",
		replace: []string{"\nstats.example.org {", "\nhttps://stats.example.org:%[3]s {\n tls %[2]s/cert.pem %[2]s/key.pem",
			"\nexample.org {", "\nhttps://example.org:%[3]s {\n tls %[2]s/cert.pem %[2]s/key.pem"},
		args: []string{"run", "--adapter", "caddyfile", "--config", "%[2]s/config"},
	},
	{
		name: "apache", programs: []string{"apache2", "/usr/sbin/apache2"},
		config: "ServerRoot %[2]s\nPidFile %[2]s/pid\nErrorLog /dev/stderr\nServerName localhost\nListen 127.0.0.1:%[3]s\nUSER\n" +
			apacheModules("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "headers") + "%[1]s",
		replace: []string{"*:443", "*:%[3]s"},
		args:    []string{"-D", "FOREGROUND", "-f", "%[2]s/config"},
	},
	{
		name: "haproxy", programs: []string{"haproxy", "/usr/sbin/haproxy"},
		config:  "defaults\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n%[1]s",
		replace: []string{"bind :443", "bind 127.0.0.1:%[3]s", "/etc/haproxy/stats.example.org.pem", "%[2]s/both.pem"},
		args:    []string{"-db", "-f", "%[2]s/config"},
	},
}

func apacheModules(names ...string) string {
	var lines strings.Builder
	for _, n := range names {
		fmt.Fprintf(&lines, "LoadModule %s_module %%[4]s/mod_%s.so\n", n, n)
	}
	return lines.String()
}

// The configurations of docs/proxies.md and docs/first-party.md count a visitor's own address, whatever the visitor says. They run as they stand there,
// but for ports and files, in every server that is installed.
func TestDocumentedProxies(t *testing.T) {
	dir := t.TempDir()
	mustFootfall(t, nil, "site", "add", "example.org", "--data", dir)
	s := start(t, "serve", dir, "--trusted-proxy", "127.0.0.1", "--base-url", "https://stats.example.org",
		"--script-path", "/assets/site.js", "--event-path", "/assets/site")
	for _, p := range proxyServers {
		t.Run(p.name, func(t *testing.T) {
			program := ""
			for _, name := range p.programs {
				if path, err := exec.LookPath(name); err == nil && program == "" {
					program = path
				}
			}
			if program == "" {
				t.Skip("not installed")
			}
			blocks := "\n" + documented(t, "proxies.md", p.name+" proxy")
			sites := p.name != "haproxy" // which serves no files
			if sites {
				blocks += "\n" + documented(t, "first-party.md", p.name+" site")
			}
			if p.name == "nginx" {
				other := documented(t, "first-party.md", "nginx other")
				blocks = strings.Replace(blocks, "root /var/www/example.org;\n", "root /var/www/example.org;\n"+other, 1)
			}
			visit := p.run(t, program, blocks, s.URL)
			home := visit("GET", "https://stats.example.org/", "")
			if home.status != 200 || !strings.Contains(home.body, "Footfall") || home.header.Get("Strict-Transport-Security") == "" {
				t.Errorf("dashboard: got %d, %v", home.status, home.header)
			}
			countsVisitors(t, visit, "https://stats.example.org/api/event")
			passesScript(t, visit, "https://stats.example.org/js/script.js", s.URL)
			if sites {
				countsVisitors(t, visit, "https://example.org/api/event")
				passesScript(t, visit, "https://example.org/js/script.js", s.URL)
			}
			if p.name == "nginx" {
				countsVisitors(t, visit, "https://example.org/assets/site")
				passesScript(t, visit, "https://example.org/assets/site.js", s.URL)
			}
		})
	}
}

// The functions of docs/first-party.md do the same, from addresses that nobody knows, by a token.
func TestDocumentedFunctions(t *testing.T) {
	dir := t.TempDir()
	mustFootfall(t, nil, "site", "add", "example.org", "--data", dir)
	token := strings.TrimSpace(mustFootfall(t, nil, "token", "add", "--name", "relay", "--scope", "proxy", "--data", dir))
	s := start(t, "serve", dir, "--trusted-proxy", "none", "--base-url", "https://stats.example.org")
	for _, name := range []string{"worker", "netlify", "vercel"} {
		t.Run(name, func(t *testing.T) {
			visit := relay(t, name, token, s.URL)
			countsVisitors(t, visit, "http://example.org/api/event")
			before := pageviews(t, dir, "example.org")
			if got := visit("POST", "http://example.org/api/event", `{"n":"pageview","u":"https://example.org/","d":"example.org"}`, "User-Agent", "Googlebot/2.1"); got.status != 202 {
				t.Errorf("a robot got %d %q", got.status, got.body)
			} else if n := pageviews(t, dir, "example.org"); n != before {
				t.Errorf("a robot was counted")
			}
			if name == "worker" { // the others leave the script to a rewrite
				passesScript(t, visit, "http://example.org/js/script.js", s.URL)
			}
		})
	}
}

// visitorAnswer is what an answer looks like to a visitor.
type visitorAnswer struct {
	status int
	body   string
	header http.Header
}

type visitorDo func(method, url, body string, header ...string) visitorAnswer

// visitorAddress is where visitors of the proxies come from: this machine, but not as the proxies do.
const visitorAddress = "127.0.0.2"

// newVisitor returns a visitor to whom all hosts are at one address.
func newVisitor(t *testing.T, at string) visitorDo {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(visitorAddress)}}
	client := &http.Client{Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", at) },
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	t.Cleanup(client.CloseIdleConnections)
	return func(method, url, body string, header ...string) visitorAnswer {
		t.Helper()
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("User-Agent", firefox)
		for i := 0; i < len(header); i += 2 {
			if header[i] == "User-Agent" {
				r.Header.Del(header[i])
			}
			r.Header.Add(header[i], header[i+1])
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return visitorAnswer{res.StatusCode, string(text), res.Header}
	}
}

// countsVisitors wants events to go through, and the visitor to be known by the address that the proxy sees.
func countsVisitors(t *testing.T, visit visitorDo, events string) {
	t.Helper()
	for _, forged := range [][]string{nil, {"X-Forwarded-For", "203.0.113.1"}, {"X-Forwarded-For", "203.0.113.1, 127.0.0.1", "X-Forwarded-For", "127.0.0.1"},
		{"CF-Connecting-IP", "203.0.113.1", "X-Real-IP", "203.0.113.1", "Forwarded", "for=203.0.113.1"}} {
		header := append([]string{"X-Debug-Request", "true"}, forged...)
		got := visit("POST", events, "{}", header...)
		if got.status != 200 || got.body != visitorAddress {
			t.Errorf("%s, %q: got %d %q, want the visitor's address", events, forged, got.status, got.body)
		}
	}
	got := visit("POST", events, `{"n":"pageview","u":"https://example.org/","d":"example.org"}`, "Content-Type", "text/plain")
	if got.status != 202 || got.body != "ok" || got.header.Get("X-Plausible-Dropped") != "" {
		t.Errorf("%s: event: got %d %q %v", events, got.status, got.body, got.header)
	}
}

// passesScript wants the script to come through as the server sends it.
func passesScript(t *testing.T, visit visitorDo, at, direct string) {
	t.Helper()
	script := visit("GET", at, "")
	where, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(direct + where.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if want, _ := io.ReadAll(res.Body); script.status != 200 || script.body != string(want) {
		t.Errorf("%s: script: got %d, %d bytes, want %d", at, script.status, len(script.body), len(want))
	}
}

// run starts the server with blocks of its configuration, and returns a visitor to it.
func (p *proxyServer) run(t *testing.T, program, blocks, footfall string) visitorDo {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	certificate(t, dir)
	modules := filepath.Join(filepath.Dir(filepath.Dir(program)), "lib/apache2/modules")
	fill := func(text string) string {
		return strings.NewReplacer("%[1]s", blocks, "%[2]s", dir, "%[3]s", port, "%[4]s", modules).Replace(text)
	}
	for i := 0; i < len(p.replace); i += 2 {
		blocks = strings.ReplaceAll(blocks, p.replace[i], fill(p.replace[i+1]))
	}
	for _, name := range []string{"stats.example.org", "example.org"} {
		blocks = strings.NewReplacer("/etc/ssl/"+name+".pem", dir+"/cert.pem", "/etc/ssl/"+name+".key", dir+"/key.pem", "/var/www/"+name, dir).Replace(blocks)
	}
	blocks = strings.ReplaceAll(blocks, "127.0.0.1:8080", strings.TrimPrefix(footfall, "http://"))
	user := ""
	if os.Getuid() == 0 { // whose files others could not read
		user = map[string]string{"nginx": "user root;", "apache": "User www-data"}[p.name]
	}
	if err := os.WriteFile(dir+"/config", []byte(strings.ReplaceAll(fill(p.config), "USER", user)), 0o600); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, a := range p.args {
		args = append(args, fill(a))
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return listenTo(t, cmd, "127.0.0.1:"+port)
}

// listenTo starts a program that listens at an address, and returns a visitor to it when it does.
func listenTo(t *testing.T, cmd *exec.Cmd, address string) visitorDo {
	t.Helper()
	var log transcript
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(stopTime):
			cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return newVisitor(t, address)
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended:\n%s", cmd.Path, &log)
		default:
		}
	}
	t.Fatalf("%s does not answer:\n%s", cmd.Path, &log)
	return nil
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// certificate writes cert.pem, key.pem and both.pem.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.org"}, DNSNames: []string{"example.org", "stats.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for name, text := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM, "both.pem": bytes.Join([][]byte{certPEM, keyPEM}, nil)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// relay runs a documented function of a cloud in Node.js, which knows the same fetch, and returns a visitor to it.
func relay(t *testing.T, name, token, footfall string) visitorDo {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node.js")
	}
	dir, port := t.TempDir(), freePort(t)
	block := strings.ReplaceAll(documented(t, "first-party.md", name+" site"), "https://stats.example.org", footfall)
	for file, text := range map[string]string{"function.mjs": block, "cloud.mjs": cloud} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(node, filepath.Join(dir, "cloud.mjs"), port)
	cmd.Env = append(os.Environ(), "FOOTFALL_TOKEN="+token)
	return listenTo(t, cmd, "127.0.0.1:"+port)
}

// cloud stands for what runs functions: it says who the visitor is in the way of each maker.
const cloud = `
import { createServer } from "node:http"
import * as code from "./function.mjs"

const plain = fetch
let debug = null // the functions pass this header on to nobody, so it is added behind them
globalThis.fetch = (to, how) => {
  if (debug && how?.headers) how.headers.set("X-Debug-Request", debug)
  return plain(to, how?.body?.getReader ? { ...how, duplex: "half" } : how) // which Node.js alone wants
}
globalThis.Netlify = { env: { get: (name) => process.env[name] } }

createServer(async (from, to) => {
  debug = from.headers["x-debug-request"]
  const ip = from.socket.remoteAddress
  const request = new Request("http://example.org" + from.url, {
    method: from.method,
    headers: { ...from.headers, "cf-connecting-ip": ip, "x-forwarded-for": ip },
    ...(from.method === "POST" ? { body: from, duplex: "half" } : {}),
  })
  let answer
  if (code.POST) answer = from.url === "/api/event" ? await code.POST(request) : new Response("", { status: 404 })
  else if (code.config) answer = from.url === code.config.path ? await code.default(request, { ip }) : new Response("", { status: 404 })
  else answer = await code.default.fetch(request, process.env)
  const { "content-encoding": _, "content-length": __, ...headers } = Object.fromEntries(answer.headers) // fetch has undone them
  to.writeHead(answer.status, headers)
  to.end(Buffer.from(await answer.arrayBuffer()))
}).listen(+process.argv[2], "127.0.0.1")
`
