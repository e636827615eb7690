#!/usr/bin/perl
# Answers when Request Tracker wants a ticket done: a JSON line in, a JSON line out.
#
# Nothing of RT is imitated. Its own database (SQLite, in the folder that is given) is filled by its
# own installer; a ticket of a queue with an SLA is made at the time of the case, is stalled and opened
# again when the case waits, and RT's own scrips set its due date. Only the time of day is a stand-in.

use strict;
use warnings;
no warnings 'once';
use Test::MockTime qw(set_fixed_time);    # before all else: it stands in for time() where that is compiled

use File::Spec;
use JSON;
use POSIX ();

my $folder = File::Spec->rel2abs( shift // die "usage: answers.pl FOLDER < cases > answers\n" );
my $site   = "$folder/RT_SiteConfig.pm";
open my $config, '>', $site or die "$site: $!\n";
print $config <<"END";
Set(\$rtname, 'compared');
Set(\$Organization, 'compared');
Set(\$Timezone, 'UTC');
Set(\$DatabaseType, 'SQLite');
Set(\$DatabaseName, '$folder/rt.sqlite');
Set(\$LogToSyslog, undef);
Set(\$LogToSTDERR, 'error');
Set(\$LogToFile, undef);
Set(\$MailCommand, 'testfile');
1;
END
close $config;
mkdir "$folder/none";
@ENV{qw(RT_SITE_CONFIG RT_SITE_CONFIG_DIR TZ)} = ( $site, "$folder/none", 'UTC' );

my $rt = $ENV{RT_HOME} // '/usr/share/request-tracker5';
unless ( -e "$folder/rt.sqlite" ) {
    my @installer = grep { -x } '/usr/sbin/rt-setup-database-5', "$rt/sbin/rt-setup-database";
    open my $out, '>&', \*STDOUT;
    open STDOUT, '>', "$folder/installer.log";
    system( $installer[0], '--action', 'init', '--skip-create' ) == 0 or die "RT's installer failed.\n";
    open STDOUT, '>&', $out;
}

unshift @INC, "$rt/lib";
require RT;
RT->LoadConfig;
RT->Init;
$RT::Handle->dbh->do('PRAGMA synchronous = OFF');    # it is thrown away

my $queue = RT::Queue->new( RT->SystemUser );
$queue->Load('General');
$queue->SetSLADisabled(0) if $queue->SLADisabled;

my @cases = map { decode_json($_) } <STDIN>;
RT->Config->Set( ServiceBusinessHours => map { $_->{id} => business_hours($_) } @cases );
RT->Config->Set( ServiceAgreements => Levels => { map { $_->{id} => level($_) } @cases } );

$| = 1;
require Business::Hours;
print qq({"rt":"$RT::VERSION","hours":"$Business::Hours::VERSION"}\n);
print qq({"id":"$_->{id}","due":), due($_) // 'null', "}\n" for @cases;

sub level {
    my $case = shift;
    my $how  = $case->{counting} eq 'working' ? 'BusinessMinutes' : 'RealMinutes';
    return {
        BusinessHours => $case->{id},
        Timezone      => $case->{tz},
        Resolve       => {
            $how                         => $case->{minutes},
            IgnoreOnStatuses             => ['stalled'],
            ExcludeTimeOnIgnoredStatuses => 1,
        },
    };
}

sub business_hours {
    my $case = shift;
    my %number = ( sun => 0, mon => 1, tue => 2, wed => 3, thu => 4, fri => 5, sat => 6 );
    my %hours = ( holidays => $case->{holidays} );
    for my $day ( keys %{ $case->{hours} } ) {
        my @spans = @{ $case->{hours}{$day} } or next;
        my @breaks = map { { Start => $spans[$_][1], End => $spans[ $_ + 1 ][0] } } 0 .. $#spans - 1;
        $hours{ $number{$day} } =
          { Name => $day, Start => $spans[0][0], End => $spans[-1][1], Breaks => \@breaks };
    }
    return \%hours;
}

sub due {
    my $case   = shift;
    my $ticket = RT::Ticket->new( RT->SystemUser );
    set_fixed_time( $case->{received} );
    my ( $id, undef, $why ) = $ticket->Create(
        Queue => 'General', Subject => $case->{id}, Status => 'open', SLA => $case->{id},
    );
    die "$case->{id}: $why\n" unless $id;
    for my $pause ( @{ $case->{pauses} } ) {
        for ( [ $pause->[0], 'stalled' ], [ $pause->[1], 'open' ] ) {
            set_fixed_time( $_->[0] );
            my ( $done, $said ) = $ticket->SetStatus( $_->[1] );
            die "$case->{id}: $said\n" unless $done;
        }
    }
    my $found = RT::Ticket->new( RT->SystemUser );
    $found->Load($id);
    my $due = $found->DueObj->Unix;
    return $due > 0 ? $due + 0 : undef;
}
