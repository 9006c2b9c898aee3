# Finds the processes of a run from inside their container and signals them. Nothing but the shell's own words and no
# file, so that it runs wherever a shell does. `processes.rs` tells which processes count; `Answer` reads what is said.
# $1 the mark, $2 the signal, $3 the greatest age of the command's first process in hundredths of a second or -,
# $4 that process for the Engine or -, $5 what was found before: pid:start pid:start …
mark=$1 signal=$2 age=$3 outer=$4 known=$5
is_marked() {
    theirs=
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in *"$mark"*) return 0 ;; *WATCHBELL_RUN=*) theirs=yes ;; esac
    done <"$1"
    return 1
}
fields() {
    IFS=:
    set -- $1
    IFS=' '
    state=$1 pid=$2 parent=$3 group=$4 session=$5 start=$6
}
look() {
    IFS=' '
    read -r up rest </proc/uptime
    up=$((${up%.*} * 100 + 1${up#*.} - 100))
    rows= hits=' ' first= found=
    # Where others are hidden, the only one that is seen need not be the only one.
    read -r stat </proc/1/stat || age=-
    for at in /proc/[0-9]*; do
        pid=${at#/proc/}
        read -r stat <"$at/stat" || continue
        set -- ${stat##*") "}
        [ $# -ge 20 ] && [ "$pid" != 1 ] && [ "$pid" != $$ ] && [ "$2" != $$ ] || continue
        rows="$rows $1:$pid:$2:$3:$4:${20}"
        hit= theirs=
        case " $known " in *" $pid:${20} "*) hit=yes ;; esac
        [ -n "$hit" ] || ! is_marked "$at/environ" || hit=yes
        if [ -n "$hit" ]; then
            hits="$hits$pid "
            [ "$2" != "$PPID" ] || found=yes
        elif [ "$age" != - ] && [ -z "$theirs" ] && [ "$2" = "$PPID" ] && [ "${20}" -ge $((up - age)) ]; then
            [ "$PPID" != 0 ] && [ "$pid" != "$outer" ] || first="$first$pid "
        fi
    done
    # Who must be among these is found where there is only one.
    case $first in
    *' '*' '*) ;;
    ?*) [ -n "$found" ] || hits="$hits$first" ;;
    esac
    # A number that nobody has any more may still be that of a session or a group.
    for it in $known; do
        [ -d "/proc/${it%:*}" ] || hits="$hits${it%:*} "
    done
    grown=yes
    while [ -n "$grown" ]; do
        grown=
        for row in $rows; do
            fields "$row"
            case $hits in *" $pid "*) continue ;; esac
            case $hits in
            *" $parent "* | *" $group "* | *" $session "*) hits="$hits$pid " grown=yes ;;
            esac
        done
    done
}
pass=0 told=' ' more=yes
while [ -n "$more" ] && [ "$pass" -lt 8 ]; do
    pass=$((pass + 1)) more= left=
    look
    for row in $rows; do
        fields "$row"
        case $state in Z | X) continue ;; esac
        case $hits in *" $pid "*) ;; *) continue ;; esac
        case $told in
        *" denied:$pid:$start "*) continue ;;
        *":$pid:$start "*) left="$left $pid:$start" ;;
        *)
            known="$known $pid:$start"
            said=denied
            ! kill -s "$signal" "$pid" || said=signalled
            echo "$said $pid:$start"
            told="$told$said:$pid:$start "
            ;;
        esac
        # A soft signal is sent once: what a process does about it may need children.
        [ "$signal" = TERM ] || more=yes
    done
done 2>/dev/null
for it in $left; do echo "left $it"; done
echo looked
