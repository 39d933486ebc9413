# What ip-l2tp(8) neither shows nor sets of the kernel's L2TP sessions, by generic netlink ("l2tp", version 1).
#   l2tp-netlink.pl stats                                    JSON: [{"tunnel-id", "session-id", counters...}]
#   l2tp-netlink.pl reorder-timeout TUNNEL SESSION MS        L2TP_CMD_SESSION_MODIFY
# Perl, because Debian's perl-base is there wherever Debian is, and a guest has no compiler of its own.
use strict;
use warnings;
use Socket;

use constant { NETLINK_GENERIC => 16, NLM_F_REQUEST => 1, NLM_F_ACK => 4, NLM_F_DUMP => 0x300 };
use constant { NLMSG_ERROR => 2, NLMSG_DONE => 3, GENL_ID_CTRL => 16, CTRL_CMD_GETFAMILY => 3 };
use constant { CTRL_ATTR_FAMILY_ID => 1, CTRL_ATTR_FAMILY_NAME => 2 };
# <linux/l2tp.h>
use constant { SESSION_MODIFY => 7, SESSION_GET => 8 };
use constant { CONN_ID => 9, SESSION_ID => 11, RECV_TIMEOUT => 22, STATS => 30 };
my %counter = (1 => 'tx-packets', 2 => 'tx-bytes', 3 => 'tx-errors', 4 => 'rx-packets', 5 => 'rx-bytes',
	6 => 'rx-seq-discards', 7 => 'rx-oos-packets', 8 => 'rx-errors', 10 => 'rx-cookie-discards', 11 => 'rx-invalid');

socket(my $socket, AF_NETLINK(), SOCK_RAW, NETLINK_GENERIC) or die "netlink: $!\n";
sub AF_NETLINK { 16 }

sub attribute { my ($type, $value) = @_; my $length = 4 + length $value; pack('S S a*', $length, $type, $value) . "\0" x (-$length & 3) }

sub attributes {	# the attributes of a buffer by their types
	my ($buffer) = @_;
	my %found;
	while (length $buffer >= 4) {
		my ($length, $type) = unpack 'S S', $buffer;
		last if $length < 4;
		$found{ $type & 0x3fff } = substr $buffer, 4, $length - 4;
		$buffer = substr $buffer, min(length $buffer, ($length + 3) & ~3);
	}
	return %found;
}
sub min { $_[0] < $_[1] ? $_[0] : $_[1] }

sub request {	# family, command, flags, attributes -> the payloads of the answers, behind their generic header
	my ($family, $command, $flags, $payload) = @_;
	my $message = pack('L S S L L C C S', 20 + length $payload, $family, $flags | NLM_F_REQUEST, 1, 0, $command, 1, 0) . $payload;
	send($socket, $message, 0, pack('S S L L', 16, 0, 0, 0)) or die "send: $!\n";
	my @answers;
	while (1) {
		defined recv($socket, my $buffer, 1 << 16, 0) or die "recv: $!\n";
		while (length $buffer >= 16) {
			my ($length, $type) = unpack 'L S', $buffer;
			my $body = substr $buffer, 16, $length - 16;
			return @answers if $type == NLMSG_DONE;
			if ($type == NLMSG_ERROR) {
				my $errno = -unpack 'l', $body;
				return @answers if $errno == 0;
				$! = $errno;
				die "l2tp netlink: $!\n";
			}
			push @answers, substr $body, 4;
			$buffer = substr $buffer, min(length $buffer, ($length + 3) & ~3);
		}
	}
}

my ($controller) = request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK, attribute(CTRL_ATTR_FAMILY_NAME, "l2tp\0"));
my %controller = attributes($controller);
my $family = unpack 'S', $controller{ (CTRL_ATTR_FAMILY_ID) };

my $what = shift // '';
if ($what eq 'stats') {
	my @sessions = map {
		my %session = attributes($_);
		my %stats = attributes($session{ (STATS) });
		my @counters = map { sprintf '"%s":%d', $counter{$_}, unpack 'Q', $stats{$_} } sort { $a <=> $b } grep { $counter{$_} } keys %stats;
		sprintf '{"tunnel-id":%d,"session-id":%d,%s}', unpack('L', $session{ (CONN_ID) }), unpack('L', $session{ (SESSION_ID) }), join ',', @counters;
	} request($family, SESSION_GET, NLM_F_DUMP, '');
	print '[', join(',', @sessions), "]\n";
} elsif ($what eq 'reorder-timeout') {
	my ($tunnel, $session, $ms) = @ARGV;
	request($family, SESSION_MODIFY, NLM_F_ACK,
		attribute(CONN_ID, pack 'L', $tunnel) . attribute(SESSION_ID, pack 'L', $session) . attribute(RECV_TIMEOUT, pack 'Q', $ms));
} else {
	die "usage: $0 stats | reorder-timeout TUNNEL SESSION MS\n";
}
