// SPDX-License-Identifier: GPL-2.0-only
/* What smtp_auth becomes after a right password: Plesk has such a program in qmail's bin. */
int main(void)
{
	return 0;
}
