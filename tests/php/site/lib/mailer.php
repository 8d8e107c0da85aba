<?php
// Line numbers are expected by tests/php/run.
class Mailer {
	public static function deliver($case) {
		return ($s = stream_socket_client('unix:///out/hold.sock')) && fwrite($s, "$case\n") && fgets($s);
	}
}

function send($case) {
	$cases = array_map(function ($c) {
		return Mailer::deliver($c);
	}, array($case));
	return $cases[0];
}
