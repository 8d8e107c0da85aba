<?php
// Holds its worker inside a known stack until the test lets go. Line numbers are expected by tests/php/run.
require __DIR__ . '/lib/mailer.php'; ini_set('default_socket_timeout', 300);
$label = isset($_GET['case']) ? $_GET['case'] : $argv[1];
list($sapi, $case) = explode('-', $label);
if ($case === 'deep') {
	send($label);
} elseif ($case === 'eval') {
	eval('send($label);');
} elseif ($case === 'shutdown') {
	register_shutdown_function('send', $label);
}
