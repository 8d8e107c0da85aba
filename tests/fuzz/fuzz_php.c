// SPDX-License-Identifier: GPL-2.0-only
/* An ELF file that may be a PHP engine. */
#include "fuzz.h"

#include "kernel/php_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memory_file((struct input){data, size});
	struct php_image image;

	if (php_image_open(fd, &image) == 0) {
		must(memchr(image.version, 0, sizeof(image.version)) &&
		     memchr(image.reason, 0, sizeof(image.reason)));
		must(image.st.usable == !image.reason[0]);
	}
	close(fd);
	return 0;
}
