// The other object of linked_objects.cu.
static __device__ int own(int value) { return value + 100; }
static __device__ int minus_five(int value) { return value - 5; }

__device__ int table[4] = {1, 2, 3, 4};
__constant__ int factor = 7;
__device__ int (*chosen)(int) = minus_five;

__device__ int scaled(int value) { return own(10 * value); }
