<?php
// SPDX-License-Identifier: GPL-2.0-only
// Further ways to send, see ../ways.php: the table names a way, its line ends with "way:NAME".
if (!isset($_GET['t']) && isset($_SERVER['REQUEST_URI'])) {
    parse_str((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_QUERY), $_GET); // an ErrorDocument has no query
}
$t = $_GET['t'] ?? $argv[2] ?? 'none';
$way = $_GET['way'] ?? $argv[1] ?? 'none';
$rcpt = 'x@elsewhere.test';
$head = "X-Truth: $t;";
$text = "To: $rcpt\nSubject: [$t] offer\n$head\n\nbody of $t\n";
$sendmail = '/usr/sbin/sendmail';
$status = function_exists('opcache_get_status') ? @opcache_get_status() : false;
$hits = $status['scripts'][__FILE__]['hits'] ?? -1;
$jit = $status['jit']['on'] ?? false;

function answer()
{
    global $way, $hits, $jit;
    if (PHP_SAPI !== 'cli' && $way !== 'pcntl-child') {
        header('Content-Type: application/json');
        echo json_encode(['way' => $way, 'hits' => $hits, 'jit' => $jit, 'sapi' => PHP_SAPI, 'pid' => getmypid()]);
    }
}

function feed($command)
{
    global $text;
    $p = popen($command, 'w'); // way:popen
    fwrite($p, $text);
    pclose($p);
}

function message_file()
{
    global $text;
    $file = tempnam('/tmp', 'm2');
    file_put_contents($file, $text);
    return $file;
}

function phpmailer($how)
{
    global $rcpt, $t, $head;
    require_once '/usr/share/php/libphp-phpmailer/autoload.php';
    $m = new PHPMailer\PHPMailer\PHPMailer(true);
    $m->$how();
    $m->setFrom('me@truth.test');
    $m->addAddress($rcpt);
    $m->addCustomHeader($head);
    $m->Subject = "[$t] offer";
    $m->Body = "body of $t";
    return $m;
}

function symfony($dsn)
{
    global $rcpt, $t;
    require_once '/usr/share/php/Symfony/Component/Mailer/autoload.php';
    $email = (new Symfony\Component\Mime\Email())->from('me@truth.test')->to($rcpt)->subject("[$t] offer")
        ->text("body of $t");
    $email->getHeaders()->addTextHeader('X-Truth', "$t;");
    $mailer = new Symfony\Component\Mailer\Mailer(Symfony\Component\Mailer\Transport::fromDsn($dsn));
    return [$mailer, $email];
}

// A web server of one's own, for one request of a program that sends.
function own_server()
{
    global $sendmail;
    $dir = __FILE__ . '.d';
    $modules = implode("\n", array_map(fn($m) => "LoadModule {$m}_module /usr/lib/apache2/modules/mod_$m.so",
        ['mpm_prefork', 'authz_core', 'alias', 'cgi']));
    $port = 20000 + getmypid() % 10000;
    $text = message_file();
    @mkdir($dir);
    file_put_contents("$dir/x.sh", "#!/bin/sh\n$sendmail -t -i <$text\nprintf 'Content-Type: text/plain\\n\\nsent\\n'\n");
    chmod("$dir/x.sh", 0755);
    file_put_contents("$dir/conf", "ServerRoot $dir\nPidFile $dir/pid\nDefaultRuntimeDir $dir\nErrorLog $dir/error\n" .
        "$modules\nListen 127.0.0.1:$port\nServerName shop.test\nDocumentRoot " . __DIR__ . "\nScriptAlias /x $dir/x.sh\n");
    $server = proc_open(['/usr/sbin/apache2', '-X', '-f', "$dir/conf"], [], $pipes);
    for ($i = 0; $i < 1000 && @file_get_contents("http://127.0.0.1:$port/x") !== "sent\n"; $i++) {
        usleep(10000);
    }
    proc_terminate($server, 9);
    proc_close($server);
}

class Late
{
    public $send;

    public function __destruct()
    {
        ($this->send)();
    }
}

// Code whose file calls itself another customer's.
class Alias
{
    public $context;
    private $code;

    public function stream_open($path, $mode, $options, &$opened)
    {
        $opened = '/var/www/vhosts/shop.test/httpdocs/index.php';
        $this->code = '<?php mail($rcpt, "[$t] offer", "body of $t\n", $head);';
        return true;
    }

    public function stream_read($count)
    {
        [$read, $this->code] = [$this->code, ''];
        return $read;
    }

    public function stream_eof()
    {
        return $this->code === '';
    }

    public function stream_stat()
    {
        return [];
    }

    public function stream_set_option($option, $one, $two)
    {
        return false;
    }
}

// What an SMTP client says.
function dialogue()
{
    global $text, $rcpt;
    return "EHLO x\r\nMAIL FROM:<me@truth.test>\r\nRCPT TO:<$rcpt>\r\nDATA\r\n" .
        str_replace("\n", "\r\n", $text) . "\r\n.\r\nQUIT\r\n";
}

switch ($way) {
    case 'mail':
        mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:mail
        break;
    case 'popen':
        feed("$sendmail -t -i");
        break;
    case 'mb':
        mb_send_mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:mb
        break;
    case 'system':
        system("$sendmail -t -i <" . message_file() . ' >/dev/null'); // way:system
        break;
    case 'passthru':
        passthru("$sendmail -t -i <" . message_file() . ' >/dev/null'); // way:passthru
        break;
    case 'backtick':
        `$sendmail -t -i </dev/null`;
        break;
    case 'proc-cwd-env':
        $io = [];
        $p = proc_open("$sendmail -t -i", [['pipe', 'r'], ['file', '/dev/null', 'w']], $io, '/', ['A' => 'b']); // way:proc-cwd-env
        fwrite($io[0], $text);
        fclose($io[0]);
        proc_close($p);
        break;
    case 'pcntl-fork':
        if (!($pid = pcntl_fork())) {
            $p = popen("$sendmail -t -i", 'w'); // way:pcntl-fork
            fwrite($p, $text);
            pclose($p);
            posix_kill(getmypid(), SIGKILL);
        }
        pcntl_waitpid($pid, $state);
        break;
    case 'pcntl-exec':
        pcntl_exec('/bin/sh', ['-c', "$sendmail -t -i <" . message_file()]); // way:pcntl-exec
        break;
    case 'pcntl-fork-exec':
        if (!($pid = pcntl_fork())) {
            pcntl_exec($sendmail, ['-i', '-f', 'me@truth.test', $rcpt]); // way:pcntl-fork-exec-child
        }
        pcntl_waitpid($pid, $state);
        break;
    case 'ffi':
        $file = message_file();
        FFI::cdef('int system(const char *);')->system("$sendmail -t -i <$file"); // way:ffi
        break;
    case 'eval':
        eval('mail($rcpt, "[$t] offer", "body of $t\n", $head);'); // way:eval
        break;
    case 'eval-eval':
        eval("\n\neval('mail(\$rcpt, \"[\$t] offer\", \"body of \$t\n\", \$head);');"); // way:eval-eval
        break;
    case 'closure':
        array_map(static function ($to) use ($t, $head) {
            mail($to, "[$t] offer", "body of $t\n", $head); // way:closure
        }, [$rcpt]);
        break;
    case 'generator':
        $g = (function () use ($rcpt, $t, $head) {
            yield 1;
            yield mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:generator
        })();
        foreach ($g as $ignored) {
        }
        break;
    case 'fiber-resumed':
        (new Fiber(function () use ($rcpt, $t, $head) {
            Fiber::suspend();
            mail($rcpt, "never", "resumed\n", $head);
        }))->start();
        $f = new Fiber(function () use ($rcpt, $t, $head) {
            Fiber::suspend();
            mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:fiber-resumed
        });
        $f->start();
        $f->resume();
        break;
    case 'destructor':
        $late = new Late();
        $late->send = function () use ($rcpt, $t, $head) {
            mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:destructor
        };
        break;
    case 'shutdown':
        register_shutdown_function(function () use ($rcpt, $t, $head) {
            mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:shutdown
        });
        break;
    case 'finished':
        answer();
        fastcgi_finish_request();
        usleep(100000);
        mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:finished
        exit;
    case 'own-server':
        own_server(); // way:own-server
        break;
    case 'nohup':
        exec("nohup $sendmail -t -i <" . message_file() . ' >/dev/null 2>&1 &'); // way:nohup
        break;
    case 'background':
        exec("(sleep 0.2; $sendmail -t -i <" . message_file() . ') >/dev/null 2>&1 &'); // way:background
        break;
    case 'setsid':
        exec("setsid nohup sh -c 'sleep 0.2; $sendmail -t -i <" . message_file() . "' >/dev/null 2>&1 &"); // way:setsid
        break;
    case 'env':
        exec("env -i PATH=/usr/bin:/bin A=b $sendmail -t -i <" . message_file()); // way:env
        break;
    case 'xargs':
        exec('echo ' . message_file() . " | xargs -I F sh -c '$sendmail -t -i <F'"); // way:xargs
        break;
    case 'wrapper':
        $p = popen('/usr/local/bin/mailwrap -t -i', 'w'); // way:wrapper
        fwrite($p, $text);
        pclose($p);
        break;
    case 'phpmailer-mail':
        phpmailer('isMail')->send(); // way:phpmailer-mail
        break;
    case 'phpmailer-sendmail':
        phpmailer('isSendmail')->send(); // way:phpmailer-sendmail
        break;
    case 'phpmailer-qmail':
        phpmailer('isQmail')->send(); // way:phpmailer-qmail
        break;
    case 'symfony-t':
        [$mailer, $email] = symfony('sendmail://default?command=' . rawurlencode("$sendmail -t"));
        $mailer->send($email); // way:symfony-t
        break;
    case 'symfony-bs':
        [$mailer, $email] = symfony('sendmail://default?command=' . rawurlencode("$sendmail -bs"));
        $mailer->send($email); // way:symfony-bs
        break;
    case 'preloaded':
        preloaded_send($rcpt, "[$t] offer", "body of $t\n", $head);
        break;
    case 'title':
        cli_set_process_title('/usr/sbin/cron -f');
        mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:title
        break;
    case 'copied':
        $copy = tempnam('/tmp', 'sm');
        copy('/usr/sbin/sendmail', $copy);
        chmod($copy, 0755);
        exec("$copy -t -i <" . message_file()); // way:copied
        break;
    case 'renamed':
        $name = '/tmp/[kworker]' . md5($t);
        symlink($sendmail, $name);
        exec(escapeshellarg($name) . ' -t -i <' . message_file()); // way:renamed
        break;
    case 'argv0':
        exec("bash -c \"exec -a crond $sendmail -t -i\" <" . message_file()); // way:argv0
        break;
    case 'qmail-queue':
        $envelope = tempnam('/tmp', 'en');
        file_put_contents($envelope, "Fme@truth.test\0T$rcpt\0\0");
        exec('/var/qmail/bin/qmail-queue 0<' . message_file() . " 1<$envelope"); // way:qmail-queue
        break;
    case 'QMAILQUEUE':
        putenv('QMAILQUEUE=/usr/local/bin/queuewrap');
        exec("$sendmail -t -i <" . message_file()); // way:QMAILQUEUE
        break;
    case 'delete':
        unlink(__FILE__);
        mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:delete
        break;
    case 'thread':
        exec('python3 /src/tests/live/sites/part2/thread.py ' . message_file()); // way:thread
        break;
    case 'cli-child':
        exec('php ' . escapeshellarg(__DIR__ . '/child-' . basename(__FILE__, '.inc.php') . '.php') . ' mail ' .
            escapeshellarg($t)); // way:cli-child-parent
        break;
    case 'shell-child':
        exec('sh /usr/local/bin/sendfile.sh ' . message_file()); // way:shell-child
        break;
    case 'alias':
        stream_wrapper_register('alias', 'Alias');
        include 'alias://x';
        break;
    case 'smtpd':
        $p = popen('/usr/lib/postfix/sbin/smtpd -S >/dev/null', 'w'); // way:smtpd
        fwrite($p, dialogue());
        pclose($p);
        break;
    case 'qmail-smtpd':
        $env = 'RELAYCLIENT= TCPREMOTEIP=203.0.113.66 SMTPAUTHUSER=info@shop.test';
        $p = popen("$env /var/qmail/bin/qmail-smtpd >/dev/null", 'w'); // way:qmail-smtpd
        fwrite($p, dialogue());
        pclose($p);
        break;
    case 'chdir':
        chdir('/tmp');
        mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:chdir
        break;
    case 'deep':
        $deep = function ($n) use (&$deep, $rcpt, $t, $head) {
            $n ? $deep($n - 1) : mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:deep
        };
        $deep(40);
        break;
    case 'title-argv':
        exec('sh -c \'exec -a php-fpm sh -c "$0"\' 2>/dev/null');
        break;
}
answer();
