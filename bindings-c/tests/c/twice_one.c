/* One of two files of one program that each include the header twice. */
#include <sparsecbm.h>
#include <sparsecbm.h>

const char *other_version(void);

int main(void)
{
    return other_version() == scbm_version() ? 0 : 1;
}
