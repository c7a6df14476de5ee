package memorylimit

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// forgetProgram has the kernel forget which pages of the program this process has
// looked at. A start looks at nearly all of them, and what serves at few: those
// come back as they are needed, from the file's pages in the kernel, where they
// stay. It returns how many bytes that were.
func forgetProgram() (forgotten int, err error) {
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, fmt.Errorf("look at the memory of this process: %w", err)
	}
	defer maps.Close()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return 0, fmt.Errorf("find out which program this is: %w", err)
	}
	mappings, err := unchanged(maps, program)
	if err != nil {
		return 0, fmt.Errorf("look at the memory of this process: %w", err)
	}
	for _, m := range mappings {
		if _, _, failed := syscall.Syscall(syscall.SYS_MADVISE, m.start, m.end-m.start, syscall.MADV_DONTNEED); failed != 0 {
			return forgotten, fmt.Errorf("forget %d bytes of the program: %w", m.end-m.start, failed)
		}
		forgotten += int(m.end - m.start)
	}
	return forgotten, nil
}

// mapping is a part of a process's memory.
type mapping struct{ start, end uintptr }

// unchanged are those parts that are the file of the program and can only be read.
// Where a page differs from the file, as a debugger makes it, or who loads a
// program that may stand anywhere, it is this process's alone, and would be lost.
func unchanged(smaps io.Reader, program string) (all []mapping, err error) {
	var m mapping
	candidate := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		line := lines.Text()
		if size, ok := strings.CutPrefix(line, "Anonymous:"); ok {
			if candidate && strings.TrimSpace(size) == "0 kB" {
				all = append(all, m)
			}
			candidate = false
			continue
		}
		var access string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &m.start, &m.end, &access); n == 3 { // else it is a figure of the part above
			candidate = strings.HasSuffix(line, " "+program) && (access == "r-xp" || access == "r--p")
		}
	}
	return all, lines.Err()
}
