package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
	"footfall/storage/objstore/s3"
)

// given is an environment.
func given(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ endpoint, style, want string }{
		{"", "", "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/p/name"},
		{"", "path", "https://s3.dualstack.eu-central-1.amazonaws.com/bucket/p/name"},
		{"https://s3.example.com", "", "https://s3.example.com/bucket/p/name"},
		{"s3.example.com", "path", "https://s3.example.com/bucket/p/name"},
		{"https://s3.example.com/", "virtual", "https://bucket.s3.example.com/p/name"},
		{"http://127.0.0.1:9000", "", "http://127.0.0.1:9000/bucket/p/name"},
	} {
		cfg := s3.Config{Endpoint: test.endpoint, Style: s3.Style(test.style), Region: "eu-central-1", Credentials: s3.Credentials{AccessKey: "a", SecretKey: "b"}}
		b := objtest.Open(t, cfg, objstore.Location{Bucket: "bucket", Prefix: "p"})
		if have, err := s3.Address(b, "name"); err != nil || have != test.want {
			t.Errorf("endpoint %q, style %q: got %s, %v, want %s", test.endpoint, test.style, have, err, test.want)
		}
	}
}

func TestRegions(t *testing.T) {
	for endpoint, want := range map[string]string{
		"": "us-east-1", "https://s3.eu-central-003.backblazeb2.com": "eu-central-003", "https://s3.fr-par.scw.cloud": "fr-par",
		"https://0123456789abcdef.r2.cloudflarestorage.com": "auto", "https://fsn1.your-objectstorage.com": "us-east-1", "http://127.0.0.1:9000": "us-east-1",
	} {
		if have, err := s3.Region(s3.Config{Getenv: given(nil)}, endpoint); err != nil || have != want {
			t.Errorf("%s: got %s, %v, want %s", endpoint, have, err, want)
		}
	}
	if have, _ := s3.Region(s3.Config{Getenv: given(map[string]string{"AWS_REGION": "eu-west-3"})}, ""); have != "eu-west-3" {
		t.Errorf("got %s", have)
	}
}

func TestBadConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("nothing of use\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := s3.Credentials{AccessKey: "AKIDSECRET", SecretKey: "verysecret"}
	for name, test := range map[string]struct {
		cfg  s3.Config
		want string
	}{
		"no credentials":   {s3.Config{}, "FOOTFALL_S3_ACCESS_KEY"},
		"half of them":     {s3.Config{Credentials: s3.Credentials{AccessKey: "AKIDSECRET"}}, "give both"},
		"no file":          {s3.Config{Credentials: s3.Credentials{File: file + "-not"}}, "file-not"},
		"empty file":       {s3.Config{Credentials: s3.Credentials{File: file}}, "access_key ="},
		"path in endpoint": {s3.Config{Credentials: keys, Endpoint: "https://s3.example.com/bucket"}, "endpoint"},
		"user in endpoint": {s3.Config{Credentials: keys, Endpoint: "https://AKIDSECRET:verysecret@s3.example.com"}, "endpoint"},
		"other scheme":     {s3.Config{Credentials: keys, Endpoint: "ftp://s3.example.com"}, "endpoint"},
		"style":            {s3.Config{Credentials: keys, Style: "dns"}, "path or virtual"},
		"no CA file":       {s3.Config{Credentials: keys, CAFile: file + "-not"}, "file-not"},
		"empty CA file":    {s3.Config{Credentials: keys, CAFile: file}, "BEGIN CERTIFICATE"},
	} {
		test.cfg.Getenv = given(nil)
		_, err := test.cfg.Open(objstore.Location{Bucket: "bucket"})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "AKID") || strings.Contains(err.Error(), "verysecret") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", keys, keys, s3.Config{Credentials: keys}); strings.Contains(text, "AKID") || strings.Contains(text, "verysecret") {
		t.Errorf("printed as %s", text)
	}
}

// TestRefused holds that who is refused learns what to do, and that no error repeats credentials.
func TestRefused(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{})
	p := objtest.StartProxy(t, s.Endpoint)
	right := s.Config()
	right.Endpoint = p.Endpoint
	skewed := func(by time.Duration) objtest.Fault {
		return objtest.Fault{Status: 403, Code: "RequestTimeTooSkewed", Header: http.Header{"Date": {time.Now().Add(by).UTC().Format(http.TimeFormat)}}}
	}
	for name, test := range map[string]struct {
		change func(*s3.Config, *objstore.Location)
		fault  objtest.Fault
		kind   error
		want   string
	}{
		"wrong secret":    {change: func(c *s3.Config, _ *objstore.Location) { c.Credentials.SecretKey = "wrong/secret" }, kind: objstore.ErrDenied, want: "secret does not belong to the access key"},
		"unknown key":     {change: func(c *s3.Config, _ *objstore.Location) { c.Credentials.AccessKey = "AKIDNOBODY" }, kind: objstore.ErrDenied, want: "does not know this access key"},
		"no bucket":       {change: func(_ *s3.Config, at *objstore.Location) { at.Bucket = "nobodys-bucket" }, kind: objstore.ErrRefused, want: "make the bucket"},
		"other region":    {change: func(c *s3.Config, _ *objstore.Location) { c.Region = "eu-central-1" }, kind: objstore.ErrRefused, want: "region"},
		"forbidden":       {fault: objtest.Fault{Status: 403, Code: "AccessDenied"}, kind: objstore.ErrDenied, want: "read, write, list and delete"},
		"expired":         {fault: objtest.Fault{Status: 400, Code: "ExpiredToken"}, kind: objstore.ErrDenied, want: "renew"},
		"clock behind":    {fault: skewed(20 * time.Minute), kind: objstore.ErrDenied, want: "behind the store's: set it right"},
		"clock ahead":     {fault: skewed(-time.Hour), kind: objstore.ErrDenied, want: "ahead of the store's: set it right"},
		"not implemented": {fault: objtest.Fault{Status: 501, Code: "NotImplemented"}, kind: objstore.ErrRefused, want: "501 NotImplemented"},
		"not TLS": {change: func(c *s3.Config, _ *objstore.Location) {
			c.Endpoint = strings.Replace(c.Endpoint, "http://", "https://", 1)
		}, kind: objstore.ErrRefused, want: "does not speak TLS"},
		"nobody there": {change: func(c *s3.Config, _ *objstore.Location) { c.Endpoint = "http://127.0.0.1:1" }, kind: objstore.ErrTemporary, want: "refused"},
	} {
		cfg, at := right, s.At("p")
		if test.change != nil {
			test.change(&cfg, &at)
		}
		p.Set(func(*http.Request) objtest.Fault { return test.fault })
		b := objtest.Open(t, cfg, at)
		_, getErr := b.Get(t.Context(), "a", 0, -1)
		for op, err := range map[string]error{
			"put":    b.Put(t.Context(), "a", []byte("a"), objstore.Overwrite),
			"get":    getErr,
			"list":   b.List(t.Context(), "", "", func(objstore.Object) error { return nil }),
			"delete": b.Delete(t.Context(), "a"),
		} {
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %s: got error %v, want %v with %q", name, op, err, test.kind, test.want)
				continue
			}
			for _, secret := range []string{cfg.Credentials.AccessKey, cfg.Credentials.SecretKey, "AWS4-HMAC", "Signature="} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: %s: the error repeats %s: %v", name, op, secret, err)
				}
			}
		}
		if r := objstore.Probe(t.Context(), b); r.Err() == nil || r.Can(objstore.CanWrite) || r.Conditional {
			t.Errorf("%s: the probe finds nothing", name)
		}
	}
}

// TestRenewedCredentials holds that credentials that expire are renewed in their file, while someone waits.
func TestRenewedCredentials(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{})
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	write("access_key = " + s.AccessKey + "\nsecret_key = " + s.SecretKey + "\n")
	cfg := s.Config()
	cfg.Credentials = s3.Credentials{File: file}
	bare := objtest.Open(t, cfg, s.At("p"))
	if err := bare.Put(t.Context(), "before", nil, objstore.Create); err != nil {
		t.Fatal(err)
	}

	s.Kill()
	s.SecretKey = "another/secret+key"
	s.Start()
	if err := bare.Put(t.Context(), "refused", nil, objstore.Create); !errors.Is(err, objstore.ErrDenied) {
		t.Fatalf("got error %v", err)
	}
	failures := 0
	b := objstore.Retry(bare, objstore.RetryConfig{Denied: true, Base: time.Millisecond, Cap: time.Millisecond, Failed: func(err error, _ time.Duration) {
		if !errors.Is(err, objstore.ErrDenied) {
			t.Errorf("got error %v", err)
		}
		switch failures++; failures {
		case 2:
			write("access_key = ") // half written
		case 4:
			if err := os.Remove(file); err != nil {
				t.Error(err)
			}
		case 6:
			write("[default]\naws_access_key_id=" + s.AccessKey + "\naws_secret_access_key=\"" + s.SecretKey + "\"\n")
		}
	}})
	if err := b.Put(t.Context(), "after", nil, objstore.Create); err != nil {
		t.Fatal(err)
	}
	if have := strings.Join(objtest.Names(t, b, "", ""), " "); have != "after before" || failures != 6 {
		t.Errorf("there is %s after %d failures", have, failures)
	}
}

func TestEnvironment(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{})
	for name, values := range map[string]map[string]string{
		"ours":  {"FOOTFALL_S3_ACCESS_KEY": s.AccessKey, "FOOTFALL_S3_SECRET_KEY": s.SecretKey, "AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other"},
		"AWS's": {"AWS_ACCESS_KEY_ID": s.AccessKey, "AWS_SECRET_ACCESS_KEY": s.SecretKey, "FOOTFALL_S3_ACCESS_KEY": "half"},
	} {
		cfg := s.Config()
		cfg.Credentials, cfg.Getenv = s3.Credentials{}, given(values)
		if err := objtest.Open(t, cfg, s.At("p")).Put(t.Context(), "a", nil, objstore.Overwrite); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTLS(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{TLS: true})
	if err := objstore.Probe(t.Context(), s.Open("p")).Err(); err != nil {
		t.Error(err)
	}
	cfg := s.Config()
	cfg.CAFile = ""
	_, err := objtest.Open(t, cfg, s.At("p")).Get(t.Context(), "a", 0, -1)
	if !errors.Is(err, objstore.ErrRefused) || !strings.Contains(err.Error(), "CA file") {
		t.Errorf("got error %v", err)
	}
}

func FuzzCredentials(f *testing.F) {
	for _, text := range []string{
		"access_key = A\nsecret_key = B\nsession_token = C", "[other]\naws_access_key_id=X\n[default]\naws_access_key_id=A\naws_secret_access_key='B'\n",
		"export AWS_ACCESS_KEY_ID=\"A\"\r\nexport AWS_SECRET_ACCESS_KEY=B=\r\n", "# access_key = A\n; secret_key = B\n", "=\n[\n]", "access_key = \"", "\xff=\x00",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := s3.ParseCredentials(text)
		for _, value := range []string{c.AccessKey, c.SecretKey, c.SessionToken} {
			if strings.TrimSpace(value) != value && !strings.ContainsAny(string(text), `"'`) || strings.Contains(value, "\n") || !strings.Contains(string(text), value) {
				t.Errorf("%q became %q", text, value)
			}
		}
	})
}

func TestCredentialFiles(t *testing.T) {
	want := s3.Credentials{AccessKey: "A", SecretKey: "B=", SessionToken: "C"}
	for _, text := range []string{
		"access_key = A\nsecret_key = B=\nsession_token = C\n",
		"[other]\naccess_key = X\n[default]\naws_access_key_id=A\naws_secret_access_key='B='\naws_session_token= C \n[more]\naccess_key=Y\n",
		"# comment\r\nexport AWS_ACCESS_KEY_ID=\"A\"\r\nAWS_SECRET_ACCESS_KEY=B=\r\nAWS_SESSION_TOKEN=C",
		"FOOTFALL_S3_ACCESS_KEY=A\nFOOTFALL_S3_SECRET_KEY=B=\nFOOTFALL_S3_SESSION_TOKEN=C\n;FOOTFALL_S3_ACCESS_KEY=X\nREGION=x\nnonsense\n",
	} {
		if have := s3.ParseCredentials([]byte(text)); have != want {
			t.Errorf("%q: got %q %q %q", text, have.AccessKey, have.SecretKey, have.SessionToken)
		}
	}
}
