# Says commands to l2tpns's command line (TCP port 23) and prints the answers: l2tpns-cli.pl COMMAND...
use strict;
use warnings;
use IO::Socket::INET;

my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:23', Timeout => 5) or die "l2tpns: $!\n";
my $answer = '';

# Reads until the prompt, which ends in "> " or, for those who said "enable", "# ".
sub prompt {
	while ($answer !~ /\n[^\n]*[>#] $/) { sysread($socket, $answer, 65536, length $answer) or return }
}

prompt();
for my $command (@ARGV) {
	$answer = '';
	print $socket "$command\r\n";
	$socket->flush();
	prompt();
	print $answer;
}
